/*
 * server_request.c
 *	  Copies a request's headers; nothing is read where the library keeps it.
 */
#ifdef POSTGRES_H
#error "the listener knows nothing of Postgres"
#endif

#include "server_request.h"

#include <string.h>

/* Where a header goes in a Request; `name` is for those that the library has no token for. */
typedef struct HeaderPlace
{
	size_t		offset;
	int			token;
	const char *name;
} HeaderPlace;

static const HeaderPlace header_places[] = {
	{offsetof(Request, host), WSI_TOKEN_HOST, NULL},
	{offsetof(Request, origin), WSI_TOKEN_ORIGIN, NULL},
	{offsetof(Request, cookie), WSI_TOKEN_HTTP_COOKIE, NULL},
	{offsetof(Request, user_agent), WSI_TOKEN_HTTP_USER_AGENT, NULL},
	{offsetof(Request, accept_encoding), WSI_TOKEN_HTTP_ACCEPT_ENCODING, NULL},
	{offsetof(Request, if_none_match), WSI_TOKEN_HTTP_IF_NONE_MATCH, NULL},
	{offsetof(Request, content_length), WSI_TOKEN_HTTP_CONTENT_LENGTH, NULL},
	{offsetof(Request, transfer_encoding), WSI_TOKEN_HTTP_TRANSFER_ENCODING, NULL},
	{offsetof(Request, websocket_key), WSI_TOKEN_KEY, NULL},
	{offsetof(Request, websocket_version), WSI_TOKEN_VERSION, NULL},
	{offsetof(Request, websocket_protocols), WSI_TOKEN_PROTOCOL, NULL},
	{offsetof(Request, forwarded_for), WSI_TOKEN_X_FORWARDED_FOR, NULL},
	{offsetof(Request, forwarded_proto), 0, "x-forwarded-proto:"},
	{offsetof(Request, forwarded_host), 0, "x-forwarded-host:"},
	{offsetof(Request, purpose), 0, "purpose:"},
	{offsetof(Request, sec_purpose), 0, "sec-purpose:"},
	{offsetof(Request, gpc), 0, "sec-gpc:"}};

static const HeaderPlace visitor_places[] = {
	{offsetof(Request, user_agent), WSI_TOKEN_HTTP_USER_AGENT, NULL},
	{offsetof(Request, brands), 0, "sec-ch-ua:"},
	{offsetof(Request, mobile), 0, "sec-ch-ua-mobile:"},
	{offsetof(Request, platform), 0, "sec-ch-ua-platform:"}};

/* Copies one header behind *at; an absent or unreasonable one is empty. */
static Text
copy_header(struct lws *wsi, const HeaderPlace *place, char **at, const char *end)
{
	Text text = {*at, 0};
	int	 room = (int) (end - *at);
	int	 length;

	if (place->name != NULL)
		length = lws_hdr_custom_copy(wsi, *at, room, place->name, (int) strlen(place->name));
	else
		length = lws_hdr_copy(wsi, *at, room, (enum lws_token_indexes) place->token);
	if (length > 0)
	{
		text.length = (uint16_t) length;
		*at += length;
	}
	return text;
}

/* Copies the headers of a table to their places in a request, behind *at. */
static void
copy_headers(struct lws *wsi, const HeaderPlace *places, size_t count, Request *request, char **at,
			 const char *end)
{
	for (size_t i = 0; i < count; i++)
		*(Text *) ((char *) request + places[i].offset) = copy_header(wsi, &places[i], at, end);
}

bool
server_read_request(struct lws *wsi, Request *request)
{
	static char buffer[2 * HEADER_DATA_LIMIT];
	char	   *at = buffer;
	const char *end = buffer + sizeof buffer;
	HeaderPlace path = {0, WSI_TOKEN_GET_URI, NULL};

	*request = (Request){0};
	if (lws_hdr_total_length(wsi, WSI_TOKEN_POST_URI) > 0)
	{
		request->post = true;
		path.token = WSI_TOKEN_POST_URI;
	}
	request->path = copy_header(wsi, &path, &at, end);
	if (request->path.length == 0)
		return false;

	copy_headers(wsi, header_places, sizeof header_places / sizeof header_places[0], request, &at,
				 end);
	request->repeated = lws_hdr_fragment_length(wsi, WSI_TOKEN_HOST, 1) > 0 ||
						lws_hdr_fragment_length(wsi, WSI_TOKEN_ORIGIN, 1) > 0 ||
						lws_hdr_fragment_length(wsi, WSI_TOKEN_HTTP_COOKIE, 1) > 0;
	return true;
}

void
server_read_visitor(struct lws *wsi, Text country_header, Request *request)
{
	static char buffer[2 * HEADER_DATA_LIMIT];
	char	   *at = buffer;
	const char *end = buffer + sizeof buffer;
	int			length = 0;

	copy_headers(wsi, visitor_places, sizeof visitor_places / sizeof visitor_places[0], request,
				 &at, end);
	if (country_header.length > 0)
		length = lws_hdr_custom_copy(wsi, at, (int) (end - at), country_header.data,
									 country_header.length);
	request->country = (Text){at, (uint16_t) (length > 0 ? length : 0)};
}
