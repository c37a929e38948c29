/*
 * listener_config.c
 *	  The record that tells a listener what to be, made from the settings.
 *
 * Lists lose their commas here, so that the listener splits at one blank.  The
 * TLS files are read here too: the listener can open nothing.
 */
#include "postgres.h"

#include <sys/stat.h>
#include <unistd.h>

#include "storage/fd.h"
#include "utils/formatting.h"
#include "utils/memutils.h"

#include "listener_config.h"
#include "settings.h"

/* Everything that the last made configuration points to. */
static MemoryContext config_context = NULL;

/* "a, b" -> "a b" */
static Text
list_of(const char *setting)
{
	char *list = palloc(strlen(setting) + 1);
	char *out = list;
	bool  gap = false;

	for (const char *in = setting; *in != '\0'; in++)
	{
		if (strchr(", \t\r\n", *in) != NULL)
			gap = out != list;
		else
		{
			if (gap)
				*out++ = ' ';
			gap = false;
			*out++ = *in;
		}
	}
	*out = '\0';
	return text_of(list);
}

/* "CF-IPCountry" -> "cf-ipcountry:", as the listener's library looks for it */
static Text
header_of(const char *setting)
{
	char *name = asc_tolower(setting, strlen(setting));

	return text_of(*name != '\0' ? psprintf("%s:", name) : "");
}

/*
 * A private key must be out of other users' reach, by the rule that the server
 * has for its own: ours and 0600, or root's and 0640.
 */
static bool
key_is_private(const char *path, const struct stat *status)
{
	if ((status->st_uid == geteuid() && (status->st_mode & (S_IRWXG | S_IRWXO)) == 0) ||
		(status->st_uid == 0 && (status->st_mode & (S_IWGRP | S_IXGRP | S_IRWXO)) == 0))
		return true;
	ereport(
		WARNING,
		(errcode(ERRCODE_CONFIG_FILE_ERROR),
		 errmsg("pageviews does not use the private key file \"%s\": others may read it", path),
		 errhint(
			 "Give it permissions u=rw (0600) if the server's user owns it, or u=rw,g=r (0640) if root does.")));
	return false;
}

/* Reads a PEM file; false with a WARNING if it is not to be had. */
static bool
read_pem(const char *path, bool is_key, Text *pem)
{
	struct stat status;
	FILE	   *file = AllocateFile(path, "r");
	char	   *content;
	size_t		length;

	if (file == NULL || fstat(fileno(file), &status) != 0)
	{
		ereport(WARNING, (errcode_for_file_access(),
						  errmsg("pageviews could not open the file \"%s\": %m", path)));
		if (file != NULL)
			FreeFile(file);
		return false;
	}
	if (is_key && !key_is_private(path, &status))
	{
		FreeFile(file);
		return false;
	}

	content = palloc(CERTIFICATE_LIMIT + 1);
	length = fread(content, 1, CERTIFICATE_LIMIT + 1, file);
	FreeFile(file);
	if (length == 0 || length > CERTIFICATE_LIMIT)
	{
		ereport(
			WARNING,
			(errcode(ERRCODE_CONFIG_FILE_ERROR),
			 errmsg("pageviews does not use the file \"%s\": it is empty or larger than %d bytes",
					path, CERTIFICATE_LIMIT)));
		return false;
	}
	pem->data = content;
	pem->length = length;
	return true;
}

/* Both files or none. */
static bool
read_tls(ListenerConfig *config)
{
	bool certificate = setting_ssl_cert_file[0] != '\0';
	bool key = setting_ssl_key_file[0] != '\0';

	config->tls_certificate = config->tls_key = (Text){"", 0};
	if (!certificate && !key)
		return true;
	if (certificate != key)
	{
		ereport(WARNING,
				(errcode(ERRCODE_CONFIG_FILE_ERROR),
				 errmsg("pageviews needs both a certificate and a key for TLS"),
				 errhint("Set pageviews.ssl_cert_file and pageviews.ssl_key_file, or neither.")));
		return false;
	}
	return read_pem(setting_ssl_cert_file, false, &config->tls_certificate) &&
		   read_pem(setting_ssl_key_file, true, &config->tls_key);
}

/* Of the day in UTC since the epoch; in memory alone, never stored or logged. */
static uint8_t daily_secret[DAILY_SECRET_LENGTH];
static int64_t secret_day = -1;

#define MILLIS_PER_DAY (INT64_C(86400) * MILLIS_PER_SECOND)

bool
listener_config_new_day(WallMillis now)
{
	bool first = secret_day < 0;

	if (now / MILLIS_PER_DAY == secret_day)
		return false;
	if (!pg_strong_random(daily_secret, sizeof daily_secret))
		ereport(ERROR, (errcode(ERRCODE_INTERNAL_ERROR),
						errmsg("pageviews could not make the secret of the day")));
	secret_day = now / MILLIS_PER_DAY;
	return !first && setting_identity == IDENTITY_DAILY;
}

Micros
listener_config_deadline(Moment now)
{
	if (setting_identity != IDENTITY_DAILY || secret_day < 0)
		return PG_INT64_MAX;
	return now.monotonic + ((secret_day + 1) * MILLIS_PER_DAY - now.wall) * MICROS_PER_MILLI;
}

bool
listener_config_make(ListenerConfig *config)
{
	MemoryContext fresh = AllocSetContextCreate(
		TopMemoryContext, "pageviews listener configuration", ALLOCSET_SMALL_SIZES);
	MemoryContext caller = MemoryContextSwitchTo(fresh);
	bool		  usable;

	memset(config, 0, sizeof *config);
	config->path_prefix = text_of(pstrdup(setting_path_prefix));
	config->allowed_origins = list_of(setting_allowed_origins);
	config->trusted_proxies = list_of(setting_trusted_proxies);
	config->query_parameters = list_of(setting_keep_query_parameters);
	config->country_header = header_of(setting_country_header);
	config->cookie_name = text_of(pstrdup(setting_cookie_name));
	config->cookie_max_age = setting_cookie_max_age;
	config->identity = (Identity) setting_identity;
	memcpy(config->daily_secret, daily_secret, sizeof config->daily_secret);
	config->cookie_samesite = (SameSite) setting_cookie_samesite;
	config->max_connections_per_address = setting_max_connections_per_address;
	config->limits = (PeerLimits){.connection_rate = setting_max_connection_rate,
								  .message_rate = setting_max_message_rate,
								  .byte_rate = setting_max_byte_rate,
								  .message_size = setting_max_message_size,
								  .note_size = setting_max_note_size,
								  .handshake_timeout = setting_handshake_timeout,
								  .idle_timeout = setting_idle_timeout,
								  .connection_age = setting_max_connection_age};
	config->heartbeat = setting_heartbeat;
	config->ping_interval = setting_ping_interval;
	config->respect_gpc = setting_respect_gpc;
	config->robots = (RobotPolicy) setting_robots;
	config->demo = setting_demo;
	config->sandbox = setting_sandbox;
	config->tls_minimum = (TlsVersion) setting_ssl_min_protocol_version;
	usable = read_tls(config);

	MemoryContextSwitchTo(caller);
	if (!usable)
	{
		MemoryContextDelete(fresh);
		return false;
	}
	if (config_context != NULL)
		MemoryContextDelete(config_context);
	config_context = fresh;
	return true;
}
