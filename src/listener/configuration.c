/*
 * configuration.c
 *	  Keeping a configuration beyond the record that brought it.
 */
#ifdef POSTGRES_H
#error "the listener knows nothing of Postgres"
#endif

#include "configuration.h"

#include <stdlib.h>

/* Moves one text's bytes to *at, and the text with them. */
static void
move_text(Text *text, char **at)
{
	if (text->length > 0)
		memcpy(*at, text->data, text->length);
	text->data = *at;
	*at += text->length;
}

bool
configuration_set(Configuration *configuration, const ListenerConfig *config)
{
	Configuration fresh = {.is = *config};
	Text		 *texts[] = {&fresh.is.path_prefix,		&fresh.is.allowed_origins,
							 &fresh.is.trusted_proxies, &fresh.is.query_parameters,
							 &fresh.is.country_header,	&fresh.is.cookie_name,
							 &fresh.is.tls_certificate, &fresh.is.tls_key};
	size_t		  length = 1;
	char		 *at;

	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
		length += texts[i]->length;
	fresh.texts = malloc(length);
	if (fresh.texts == NULL || !network_list_parse(config->trusted_proxies, &fresh.proxies))
	{
		free(fresh.texts);
		return false;
	}
	at = fresh.texts;
	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
		move_text(texts[i], &at);

	configuration_clear(configuration);
	*configuration = fresh;
	return true;
}

void
configuration_clear(Configuration *configuration)
{
	if (configuration->is.tls_key.length > 0)
		explicit_bzero((char *) configuration->is.tls_key.data, configuration->is.tls_key.length);
	free(configuration->texts);
	network_list_free(&configuration->proxies);
	explicit_bzero(configuration, sizeof *configuration);
}
