/*
 * packed_chunk.c
 *	  Reads packs of views under filters, see packed_chunk.h.
 */
#include "packed_chunk.h"

#include "mb/pg_wchar.h"
#include "utils/fmgrprotos.h"
#include "utils/memutils.h"

#include "address.h"
#include "varint.h"

static const Span origin_parameters[] = {
	{"utm_campaign", 12}, {"utm_source", 10}, {"utm_medium", 10}};

PackedFilters
packed_filters_read(const HistoryQuery *query)
{
	static const char *const origin_names[] = {"referrer", "campaign", "source", "medium"};
	static const char *const traits_names[] = {"country", "browser", "system", "device",
											   "language"};
	Jsonb					*filters = query->filters;
	PackedFilters			 result = {.origins = query->origins,
									   .any = filters != NULL,
									   .mark = query->mark,
									   .mark_context = query->mark_context};
	JsonbValue				 space;
	JsonbValue				*property = NULL;

	result.page = filter_read(filters, (Span){"page", 4});
	for (int i = 0; i < lengthof(origin_names); i++)
		result.origin[i] =
			filter_read(filters, (Span){origin_names[i], (int) strlen(origin_names[i])});
	for (int i = 0; i < lengthof(traits_names); i++)
		result.traits[i] =
			filter_read(filters, (Span){traits_names[i], (int) strlen(traits_names[i])});
	if (filters != NULL && JB_ROOT_IS_OBJECT(filters))
		property = getKeyJsonValueFromContainer(&filters->root, "property", 8, &space);
	if (property != NULL)
		result.property = JsonbValueToJsonb(property);
	return result;
}

static bool
judge_origin(const PackedFilters *filters, const PackedOrigin *origin)
{
	Span host = origin->referrer.data != NULL ? address_host(origin->referrer) : (Span){NULL, 0};

	if (host.data != NULL)
		host = address_without_www(host);
	if (!filter_passes(&filters->origin[0], host))
		return false;
	for (int i = 0; i < lengthof(origin_parameters); i++)
	{
		if (!filters->origin[i + 1].everything &&
			!filter_passes(&filters->origin[i + 1],
						   origin->query.data != NULL
							   ? address_parameter(origin->query, origin_parameters[i])
							   : (Span){NULL, 0}))
			return false;
	}
	return true;
}

static bool
judge_props(const PackedFilters *filters, Span props)
{
	Datum value;

	if (filters->property == NULL)
		return true;
	if (props.data == NULL)
		return false;
	if (!pg_verifymbstr(props.data, props.length, true))
		varint_corrupted();
	value = DirectFunctionCall1(jsonb_in, CStringGetDatum(pnstrdup(props.data, props.length)));
	return DatumGetBool(
		DirectFunctionCall2(jsonb_contains, value, JsonbPGetDatum(filters->property)));
}

static bool
judge_traits(const PackedFilters *filters, const Span *traits)
{
	/* A screen is not filtered by. */
	for (int i = 0; i < SESSION_DIMENSIONS - 1; i++)
	{
		if (!filter_passes(&filters->traits[i], traits[i]))
			return false;
	}
	return true;
}

static void
read_paths(PackedChunk *chunk, const PackedFilters *filters)
{
	uint32 count = chunk->reader.word_count[PACKED_PATH];

	if (filters->mark != NULL)
		chunk->path_marks = palloc_array(uint32, count + 1);
	else
		chunk->paths = palloc_array(Span, count + 1);
	chunk->path_passes = palloc_array(bool, count + 1);
	for (uint32 i = 0; i < count; i++)
	{
		Span path;

		packed_parts(&chunk->reader, PACKED_PATH, i, &path, 1);
		chunk->path_passes[i] = filter_passes(&filters->page, path);
		if (filters->mark != NULL)
			chunk->path_marks[i] = filters->mark(filters->mark_context, path);
		else
			chunk->paths[i] = path;
	}
}

static void
read_origins(PackedChunk *chunk, const PackedFilters *filters)
{
	uint32 count = chunk->reader.word_count[PACKED_ORIGIN];

	chunk->origins = palloc_array(PackedOrigin, count + 1);
	chunk->origin_passes = palloc_array(bool, count + 1);
	for (uint32 i = 0; i < count; i++)
	{
		Span parts[2];

		packed_parts(&chunk->reader, PACKED_ORIGIN, i, parts, lengthof(parts));
		chunk->origins[i] = (PackedOrigin){parts[0], parts[1]};
		chunk->origin_passes[i] = judge_origin(filters, &chunk->origins[i]);
	}
}

static void
read_props(PackedChunk *chunk, const PackedFilters *filters)
{
	uint32		  count = chunk->reader.word_count[PACKED_PROPS];
	MemoryContext judging =
		AllocSetContextCreate(CurrentMemoryContext, "pageviews properties", ALLOCSET_SMALL_SIZES);
	MemoryContext caller;

	chunk->props_passes = palloc_array(bool, count + 1);
	chunk->props_passes[0] = judge_props(filters, (Span){NULL, 0});
	for (uint32 i = 0; i < count; i++)
	{
		Span props;

		packed_parts(&chunk->reader, PACKED_PROPS, i, &props, 1);
		caller = MemoryContextSwitchTo(judging);
		chunk->props_passes[i + 1] = judge_props(filters, props);
		MemoryContextSwitchTo(caller);
		MemoryContextReset(judging);
	}
	MemoryContextDelete(judging);
}

static void
read_traits(PackedChunk *chunk, const PackedFilters *filters)
{
	uint32 count = chunk->reader.word_count[PACKED_TRAITS];

	chunk->traits_pass = palloc_array(bool, count + 1);
	for (uint32 i = 0; i < count; i++)
	{
		Span traits[SESSION_DIMENSIONS];

		packed_parts(&chunk->reader, PACKED_TRAITS, i, traits, SESSION_DIMENSIONS);
		chunk->traits_pass[i] = judge_traits(filters, traits);
	}
}

PackedChunk *
packed_chunk_read(MemoryContext parent, const PackedFilters *filters, TimestampTz day, Datum pack)
{
	MemoryContext memory = AllocSetContextCreate(parent, "pageviews chunk", ALLOCSET_DEFAULT_SIZES);
	MemoryContext caller = MemoryContextSwitchTo(memory);
	PackedChunk	 *chunk = palloc0(sizeof *chunk);

	chunk->memory = memory;
	packed_open(&chunk->reader, day, DatumGetByteaPCopy(pack));
	read_paths(chunk, filters);
	if (filters->origins)
		read_origins(chunk, filters);
	read_props(chunk, filters);
	read_traits(chunk, filters);
	MemoryContextSwitchTo(caller);
	return chunk;
}
