/*
 * datum.c
 *	  From the house's plain values to Postgres datums.
 *
 * What the listener sent was checked when it was decoded; it is checked here
 * once more, because text that is not valid in the server's encoding can be
 * stored and dumped, but the dump does not restore.
 */
#include "postgres.h"

#include <math.h>

#include "catalog/namespace.h"
#include "common/shortest_dec.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/datetime.h"
#include "utils/fmgrprotos.h"
#include "utils/jsonb.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"

#include "datum.h"

#define MILLIS_PER_DAY (INT64_C(24) * 3600 * 1000)

/* Integers up to 2^53 are exact in a double, and are written as integers. */
#define EXACT_INTEGER_LIMIT 9007199254740992.0

/*
 * Converts valid UTF-8 into the server's encoding, '?' for what it lacks.
 * Returns a palloc'd string and its length.
 */
static char *
convert_text(const char *data, int length, int *converted_length)
{
	Oid					 converter = FindDefaultConversionProc(PG_UTF8, GetDatabaseEncoding());
	const unsigned char *source = (const unsigned char *) data;
	char				*result = palloc((Size) length * MAX_CONVERSION_GROWTH + 1);
	int					 done = 0;

	if (!OidIsValid(converter))
		ereport(
			ERROR, errcode(ERRCODE_UNDEFINED_FUNCTION),
			errmsg("no default conversion from UTF8 to \"%s\" exists", GetDatabaseEncodingName()));

	while (length > 0)
	{
		int room = length * MAX_CONVERSION_GROWTH + 1;
		int taken = pg_do_encoding_conversion_buf(converter, PG_UTF8, GetDatabaseEncoding(),
												  unconstify(unsigned char *, source), length,
												  (unsigned char *) result + done, room, true);

		done += strlen(result + done);
		source += taken;
		length -= taken;
		if (length > 0)
		{
			int skipped = Min(pg_utf_mblen(source), length);

			result[done++] = '?';
			source += skipped;
			length -= skipped;
		}
	}
	*converted_length = done;
	return result;
}

/*
 * Text in the server's encoding, either `data` itself or palloc'd.  Raises as
 * text_datum() does.
 */
static const char *
server_text(const char *data, size_t length, int *converted_length)
{
	int encoding = GetDatabaseEncoding();

	*converted_length = (int) length;
	if (length == 0)
		return "";
	if (!pg_verify_mbstr(PG_UTF8, data, (int) length, true))
		ereport(ERROR, errcode(ERRCODE_CHARACTER_NOT_IN_REPERTOIRE),
				errmsg("text is not valid UTF-8"));
	if (encoding == PG_UTF8 || encoding == PG_SQL_ASCII)
		return data;
	return convert_text(data, (int) length, converted_length);
}

Datum
text_datum(const char *data, size_t length)
{
	int			converted_length;
	const char *converted = server_text(data, length, &converted_length);

	return PointerGetDatum(cstring_to_text_with_len(converted, converted_length));
}

TimestampTz
timestamp_of(WallMillis wall)
{
	return (TimestampTz) (wall - (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * MILLIS_PER_DAY) * 1000;
}

WallMillis
wall_of(TimestampTz timestamp)
{
	return timestamp / 1000 + (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * MILLIS_PER_DAY;
}

void
month_of(WallMillis wall, int *year, int *month)
{
	int64 days = wall / MILLIS_PER_DAY - (wall % MILLIS_PER_DAY < 0 ? 1 : 0);
	int	  day;

	j2date((int) (days + UNIX_EPOCH_JDATE), year, month, &day);
}

WallMillis
month_start(int year, int month)
{
	return (WallMillis) (date2j(year, month, 1) - UNIX_EPOCH_JDATE) * MILLIS_PER_DAY;
}

/* A finite double as the shortest decimal that reads back as the same double. */
static Numeric
double_numeric(double number)
{
	char digits[DOUBLE_SHORTEST_DECIMAL_LEN];

	if (!isfinite(number))
		ereport(ERROR, errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				errmsg("number in a property is not finite"));
	if (fabs(number) <= EXACT_INTEGER_LIMIT && number == floor(number))
		return int64_to_numeric((int64) number);
	double_to_shortest_decimal_buf(number, digits);
	return DatumGetNumeric(DirectFunctionCall3(numeric_in, CStringGetDatum(digits),
											   ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1)));
}

/* A string of a jsonb object, in the server's encoding. */
static JsonbValue
string_value(Text text)
{
	JsonbValue value = {.type = jbvString};
	int		   length;

	value.val.string.val = unconstify(char *, server_text(text.data, text.length, &length));
	value.val.string.len = length;
	return value;
}

/* A property's value. */
static JsonbValue
property_value(const Property *property)
{
	JsonbValue value = {.type = jbvNull};

	switch (property->type)
	{
		case PROPERTY_NULL:
			break;
		case PROPERTY_FALSE:
		case PROPERTY_TRUE:
			value.type = jbvBool;
			value.val.boolean = property->type == PROPERTY_TRUE;
			break;
		case PROPERTY_NUMBER:
			value.type = jbvNumeric;
			value.val.numeric = double_numeric(property->number);
			break;
		case PROPERTY_STRING:
			value = string_value(property->string);
			break;
	}
	return value;
}

Datum
properties_datum(const PageDescription *page)
{
	JsonbParseState *state = NULL;
	JsonbValue		*object;

	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	for (int i = 0; i < page->property_count; i++)
	{
		JsonbValue key = string_value(page->properties[i].key);
		JsonbValue value = property_value(&page->properties[i]);

		pushJsonbValue(&state, WJB_KEY, &key);
		pushJsonbValue(&state, WJB_VALUE, &value);
	}
	object = pushJsonbValue(&state, WJB_END_OBJECT, NULL);
	return JsonbPGetDatum(JsonbValueToJsonb(object));
}
