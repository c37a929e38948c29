/*
 * record.c
 *	  Encoding and decoding of the channel's records.
 *
 * Each struct has a write_ and a read_ function side by side that name the same
 * fields in the same order; that order is the format.
 */
#ifdef POSTGRES_H
#error "src/common knows nothing of Postgres"
#endif

#include "record.h"

#include <math.h>

#include "codec.h"

/* --- a message and what it is made of ------------------------------------- */

static void
write_property(Writer *w, const Property *property)
{
	write_text(w, property->key);
	write_u8(w, (uint8_t) property->type);
	if (property->type == PROPERTY_NUMBER)
		write_double(w, property->number);
	else if (property->type == PROPERTY_STRING)
		write_text(w, property->string);
}

static void
read_property(Reader *r, Property *property)
{
	property->key = read_text(r, PROPERTY_KEY_LIMIT);
	if (property->key.length == 0)
		r->failed = true;
	property->type = (PropertyType) read_enum(r, PROPERTY_TYPE_COUNT);
	property->number = 0;
	property->string = (Text){NULL, 0};
	if (property->type == PROPERTY_NUMBER)
	{
		property->number = read_double(r);
		if (!isfinite(property->number))
			r->failed = true;
	}
	else if (property->type == PROPERTY_STRING)
		property->string = read_text(r, PROPERTY_STRING_LIMIT);
}

static void
write_page(Writer *w, const PageDescription *page)
{
	write_text(w, page->site);
	write_text(w, page->path);
	write_text(w, page->query);
	write_text(w, page->referrer);
	write_text(w, page->title);
	write_text(w, page->name);
	write_text(w, page->language);
	write_text(w, page->time_zone);
	write_u8(w, (uint8_t) page->navigation);
	write_u16(w, page->screen_width);
	write_u16(w, page->screen_height);
	write_u8(w, page->property_count);
	for (int i = 0; i < page->property_count; i++)
		write_property(w, &page->properties[i]);
}

static void
read_page(Reader *r, PageDescription *page)
{
	page->site = read_text(r, SITE_LIMIT);
	page->path = read_text(r, PATH_LIMIT);
	if (page->site.length == 0 || page->path.length == 0 || page->path.data[0] != '/')
		r->failed = true;
	page->query = read_text(r, QUERY_LIMIT);
	page->referrer = read_text(r, REFERRER_LIMIT);
	page->title = read_text(r, TITLE_LIMIT);
	page->name = read_text(r, NAME_LIMIT);
	page->language = read_text(r, LANGUAGE_LIMIT);
	page->time_zone = read_text(r, TIME_ZONE_LIMIT);
	page->navigation = (Navigation) read_enum(r, NAVIGATION_COUNT);
	page->screen_width = read_u16(r);
	page->screen_height = read_u16(r);
	page->property_count = (uint8_t) read_enum(r, PROPERTY_COUNT_LIMIT + 1);
	for (int i = 0; i < page->property_count && !r->failed; i++)
		read_property(r, &page->properties[i]);
}

/* A figure: milliseconds, never negative. */
static int32_t
read_figure(Reader *r)
{
	int32_t figure = read_i32(r);

	if (figure < 0)
		r->failed = true;
	return figure;
}

static void
write_message(Writer *w, const ViewMessage *message)
{
	write_u8(w, (uint8_t) message->kind);
	write_uuid(w, &message->view);
	if (message->kind == MESSAGE_EVENT)
	{
		write_uuid(w, &message->during);
		write_page(w, &message->page);
		return;
	}
	write_i32(w, message->n);
	write_u8(w, (uint8_t) message->state);
	write_i32(w, message->figures.visible);
	write_i32(w, message->figures.focused);
	write_i32(w, message->figures.active);
	write_i32(w, message->figures.elapsed);
	write_i32(w, message->figures.gap);
	write_i8(w, message->scroll);
	write_u8(w, (uint8_t) message->reason);
	write_u8(w, message->described);
	if (message->described)
		write_page(w, &message->page);
}

/* Whether kind, reason and description go together as message.h says. */
static bool
message_is_consistent(const ViewMessage *message)
{
	if (message->n < 1 || message->scroll < -1 || message->scroll > 100 ||
		!uuid_is_v7(&message->view))
		return false;

	switch (message->kind)
	{
		case MESSAGE_VIEW:
			return message->described && message->reason == END_NONE;
		case MESSAGE_STATE:
			return !message->described && message->reason == END_NONE;
		case MESSAGE_END:
			return message->reason == END_CLOSED || message->reason == END_NAVIGATED;
		case MESSAGE_EVENT:
			break;
	}
	return false;
}

/* The rest of an event, whose kind and id have been read. */
static void
read_event_message(Reader *r, ViewMessage *message)
{
	MessageKind kind = message->kind;
	Uuid		id = message->view;

	memset(message, 0, offsetof(ViewMessage, page));
	message->kind = kind;
	message->view = id;
	message->n = EVENT_NUMBER;
	message->during = read_uuid(r);
	message->described = true;
	read_page(r, &message->page);
	if (!uuid_is_v7(&message->view) || message->page.name.length == 0 ||
		!(uuid_is_nil(&message->during) || uuid_is_v7(&message->during)))
		r->failed = true;
}

static void
read_message(Reader *r, ViewMessage *message)
{
	message->kind = (MessageKind) read_enum(r, MESSAGE_EVENT + 1);
	message->view = read_uuid(r);
	if (message->kind == MESSAGE_EVENT)
	{
		read_event_message(r, message);
		return;
	}
	message->n = read_i32(r);
	message->state = (PageState) read_enum(r, PAGE_STATE_COUNT);
	message->figures.visible = read_figure(r);
	message->figures.focused = read_figure(r);
	message->figures.active = read_figure(r);
	message->figures.elapsed = read_figure(r);
	message->figures.gap = read_figure(r);
	message->scroll = read_i8(r);
	message->reason = (EndReason) read_enum(r, END_REASON_COUNT);
	message->described = read_enum(r, 2) == 1;
	if (message->described && !r->failed)
		read_page(r, &message->page);
	if (!r->failed && !message_is_consistent(message))
		r->failed = true;
}

/* --- a visitor ------------------------------------------------------------- */

static void
write_visitor(Writer *w, const Visitor *visitor)
{
	write_text(w, visitor->user_agent);
	write_text(w, visitor->browser);
	write_text(w, visitor->browser_version);
	write_text(w, visitor->system);
	write_u8(w, (uint8_t) visitor->device);
	write_bytes(w, visitor->country, COUNTRY_LENGTH);
	write_u8(w, visitor->robot);
}

static void
read_visitor(Reader *r, Visitor *visitor)
{
	visitor->user_agent = read_text(r, USER_AGENT_LIMIT);
	visitor->browser = read_text(r, AGENT_NAME_LIMIT);
	visitor->browser_version = read_text(r, AGENT_VERSION_LIMIT);
	visitor->system = read_text(r, AGENT_NAME_LIMIT);
	visitor->device = (DeviceClass) read_enum(r, DEVICE_CLASS_COUNT);
	read_bytes(r, visitor->country, COUNTRY_LENGTH);
	if (!r->failed && !country_is_valid(visitor->country))
		r->failed = true;
	visitor->robot = read_enum(r, 2) == 1;
}

/* --- events --------------------------------------------------------------- */

size_t
event_encode(const Event *event, uint8_t *buffer, size_t capacity)
{
	Writer w = {buffer, buffer + capacity, false};

	write_u8(&w, (uint8_t) event->type);
	write_i64(&w, event->at);
	switch (event->type)
	{
		case EVENT_READY:
			write_u32(&w, event->u.ready.version);
			write_i32(&w, event->u.ready.pid);
			break;
		case EVENT_ALIVE:
			write_u64(&w, event->u.alive.sequence);
			write_u32(&w, event->u.alive.connections);
			write_u8(&w, event->u.alive.sandboxed);
			for (int i = 0; i < LISTENER_COUNTER_COUNT; i++)
				write_u64(&w, event->u.alive.counters[i]);
			break;
		case EVENT_LOG:
			write_u8(&w, (uint8_t) event->u.log.level);
			write_text(&w, event->u.log.text);
			break;
		case EVENT_OPENED:
			write_u64(&w, event->connection);
			write_uuid(&w, &event->u.opened.session);
			write_u8(&w, event->u.opened.note);
			write_visitor(&w, &event->u.opened.visitor);
			break;
		case EVENT_MESSAGE:
			write_u64(&w, event->connection);
			write_i32(&w, event->u.message.covered);
			write_message(&w, &event->u.message.view);
			break;
		case EVENT_CLOSED:
			write_u64(&w, event->connection);
			write_u8(&w, (uint8_t) event->u.closed.cause);
			write_i64(&w, event->u.closed.last_pong);
			break;
		case EVENT_LEFT:
			write_u64(&w, event->connection);
			write_uuid(&w, &event->u.left.view);
			break;
	}
	return w.failed ? 0 : (size_t) (w.at - buffer);
}

/* Printable ASCII only: it goes into the server's log. */
static Text
read_log_text(Reader *r)
{
	Text text = read_slice(r, LOG_TEXT_LIMIT);

	for (int i = 0; i < text.length; i++)
	{
		if (text.data[i] < 0x20 || text.data[i] > 0x7e)
			r->failed = true;
	}
	return text;
}

bool
event_decode(const uint8_t *body, size_t length, Event *event)
{
	Reader r = {body, body + length, false};

	event->type = (EventType) read_enum(&r, EVENT_LEFT + 1);
	event->at = read_i64(&r);
	event->connection = 0;
	switch (event->type)
	{
		case EVENT_READY:
			event->u.ready.version = read_u32(&r);
			event->u.ready.pid = read_i32(&r);
			break;
		case EVENT_ALIVE:
			event->u.alive.sequence = read_u64(&r);
			event->u.alive.connections = read_u32(&r);
			event->u.alive.sandboxed = read_enum(&r, 2) == 1;
			for (int i = 0; i < LISTENER_COUNTER_COUNT; i++)
				event->u.alive.counters[i] = read_u64(&r);
			break;
		case EVENT_LOG:
			event->u.log.level = (LogLevel) read_enum(&r, LOG_LEVEL_COUNT);
			event->u.log.text = read_log_text(&r);
			break;
		case EVENT_OPENED:
			event->connection = read_u64(&r);
			event->u.opened.session = read_uuid(&r);
			event->u.opened.note = read_enum(&r, 2) == 1;
			read_visitor(&r, &event->u.opened.visitor);
			break;
		case EVENT_MESSAGE:
			event->connection = read_u64(&r);
			event->u.message.covered = read_figure(&r);
			read_message(&r, &event->u.message.view);
			break;
		case EVENT_CLOSED:
			event->connection = read_u64(&r);
			event->u.closed.cause = (CloseCause) read_enum(&r, CLOSE_CAUSE_COUNT);
			event->u.closed.last_pong = read_i64(&r);
			break;
		case EVENT_LEFT:
			event->connection = read_u64(&r);
			event->u.left.view = read_uuid(&r);
			break;
		default:
			return false;
	}
	return !r.failed && r.at == r.end;
}

/* --- commands ------------------------------------------------------------- */

static void
write_limits(Writer *w, const PeerLimits *limits)
{
	write_u32(w, limits->connection_rate);
	write_u32(w, limits->message_rate);
	write_u32(w, limits->byte_rate);
	write_i32(w, limits->message_size);
	write_i32(w, limits->note_size);
	write_i32(w, limits->handshake_timeout);
	write_i32(w, limits->idle_timeout);
	write_i32(w, limits->connection_age);
}

static void
read_limits(Reader *r, PeerLimits *limits)
{
	limits->connection_rate = read_u32(r);
	limits->message_rate = read_u32(r);
	limits->byte_rate = read_u32(r);
	limits->message_size = read_figure(r);
	limits->note_size = read_figure(r);
	limits->handshake_timeout = read_figure(r);
	limits->idle_timeout = read_figure(r);
	limits->connection_age = read_figure(r);
	if (limits->message_size == 0 || limits->message_size > DEFAULT_MESSAGE_SIZE ||
		limits->note_size == 0 || limits->note_size > DEFAULT_NOTE_SIZE ||
		limits->handshake_timeout == 0)
		r->failed = true;
}

static void
write_config(Writer *w, const ListenerConfig *config)
{
	write_text(w, config->path_prefix);
	write_text(w, config->allowed_origins);
	write_text(w, config->trusted_proxies);
	write_text(w, config->query_parameters);
	write_text(w, config->country_header);
	write_text(w, config->cookie_name);
	write_i32(w, config->cookie_max_age);
	write_u8(w, (uint8_t) config->cookie_samesite);
	write_u8(w, (uint8_t) config->identity);
	write_bytes(w, config->daily_secret, DAILY_SECRET_LENGTH);
	write_u8(w, config->key_count);
	for (int i = 0; i < config->key_count; i++)
	{
		write_u32(w, config->keys[i].id);
		write_bytes(w, config->keys[i].secret, COOKIE_KEY_LENGTH);
	}
	write_u32(w, config->max_connections);
	write_u32(w, config->max_connections_per_address);
	write_limits(w, &config->limits);
	write_i32(w, config->heartbeat);
	write_i32(w, config->ping_interval);
	write_u8(w, config->respect_gpc);
	write_u8(w, (uint8_t) config->robots);
	write_u8(w, config->demo);
	write_u8(w, config->busy);
	write_u8(w, config->sandbox);
	write_u8(w, (uint8_t) config->tls_minimum);
	write_text(w, config->tls_certificate);
	write_text(w, config->tls_key);
}

static void
read_config(Reader *r, ListenerConfig *config)
{
	config->path_prefix = read_text(r, PATH_PREFIX_LIMIT);
	config->allowed_origins = read_text(r, LIST_LIMIT);
	config->trusted_proxies = read_text(r, LIST_LIMIT);
	config->query_parameters = read_text(r, LIST_LIMIT);
	config->country_header = read_text(r, COUNTRY_HEADER_LIMIT + 1);
	config->cookie_name = read_text(r, COOKIE_NAME_LIMIT);
	config->cookie_max_age = read_figure(r);
	config->cookie_samesite = (SameSite) read_enum(r, SAMESITE_COUNT);
	config->identity = (Identity) read_enum(r, IDENTITY_COUNT);
	read_bytes(r, config->daily_secret, DAILY_SECRET_LENGTH);
	config->key_count = (uint8_t) read_enum(r, COOKIE_KEY_LIMIT + 1);
	if (config->key_count == 0)
		r->failed = true;
	for (int i = 0; i < config->key_count; i++)
	{
		config->keys[i].id = read_u32(r);
		read_bytes(r, config->keys[i].secret, COOKIE_KEY_LENGTH);
	}
	config->max_connections = read_u32(r);
	config->max_connections_per_address = read_u32(r);
	read_limits(r, &config->limits);
	config->heartbeat = read_figure(r);
	config->ping_interval = read_figure(r);
	if (config->max_connections == 0 || config->ping_interval == 0 || config->heartbeat == 0)
		r->failed = true;
	config->respect_gpc = read_enum(r, 2) == 1;
	config->robots = (RobotPolicy) read_enum(r, ROBOT_POLICY_COUNT);
	config->demo = read_enum(r, 2) == 1;
	config->busy = read_enum(r, 2) == 1;
	config->sandbox = read_enum(r, 2) == 1;
	config->tls_minimum = (TlsVersion) read_enum(r, TLS_VERSION_COUNT);
	config->tls_certificate = read_slice(r, CERTIFICATE_LIMIT);
	config->tls_key = read_slice(r, CERTIFICATE_LIMIT);
}

size_t
command_encode(const Command *command, uint8_t *buffer, size_t capacity)
{
	Writer w = {buffer, buffer + capacity, false};

	write_u8(&w, (uint8_t) command->type);
	switch (command->type)
	{
		case COMMAND_CONFIGURE:
			write_config(&w, &command->u.configure);
			break;
		case COMMAND_HEARTBEAT:
			write_u64(&w, command->u.heartbeat);
			break;
		case COMMAND_BUSY:
			write_u8(&w, command->u.busy);
			break;
		case COMMAND_ACK:
		case COMMAND_STORED:
		case COMMAND_REFUSED:
			write_u64(&w, command->connection);
			write_uuid(&w, &command->view);
			write_i32(&w, command->n);
			if (command->type == COMMAND_REFUSED)
			{
				write_text(&w, command->u.refused.code);
				write_text(&w, command->u.refused.message);
			}
			break;
	}
	return w.failed ? 0 : (size_t) (w.at - buffer);
}

bool
command_decode(const uint8_t *body, size_t length, Command *command)
{
	Reader r = {body, body + length, false};

	command->type = (CommandType) read_enum(&r, COMMAND_REFUSED + 1);
	command->connection = 0;
	command->n = 0;
	switch (command->type)
	{
		case COMMAND_CONFIGURE:
			read_config(&r, &command->u.configure);
			break;
		case COMMAND_HEARTBEAT:
			command->u.heartbeat = read_u64(&r);
			break;
		case COMMAND_BUSY:
			command->u.busy = read_enum(&r, 2) == 1;
			break;
		case COMMAND_ACK:
		case COMMAND_STORED:
		case COMMAND_REFUSED:
			command->connection = read_u64(&r);
			command->view = read_uuid(&r);
			command->n = read_i32(&r);
			if (command->type == COMMAND_REFUSED)
			{
				command->u.refused.code = read_text(&r, REFUSAL_CODE_LIMIT);
				command->u.refused.message = read_text(&r, REFUSAL_TEXT_LIMIT);
			}
			break;
		default:
			return false;
	}
	return !r.failed && r.at == r.end;
}
