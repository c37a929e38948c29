/*
 * cells_arguments.c
 *	  What cells() is asked, see cells_arguments.h.
 */
#include "cells_arguments.h"

#include "catalog/pg_type.h"
#include "utils/timestamp.h"

static const char *const dimension_names[] = {"all",	 "page",   "entry",	 "origin",	 "country",
											  "browser", "system", "device", "language", "screen"};

StaticAssertDecl(lengthof(dimension_names) == DIMENSION_COUNT, "each dimension has a name");

TimestampTz *
cells_bounds(ArrayType *array, int *count)
{
	Datum		*elements;
	bool		*nulls;
	TimestampTz *bounds;

	if (ARR_ELEMTYPE(array) != TIMESTAMPTZOID || ARR_NDIM(array) > 1)
		ereport(ERROR, errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				errmsg("bounds must be an array of one dimension"));
	deconstruct_array(array, TIMESTAMPTZOID, sizeof(TimestampTz), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE,
					  &elements, &nulls, count);
	bounds = palloc_array(TimestampTz, Max(*count, 1));
	for (int i = 0; i < *count; i++)
	{
		if (nulls[i])
		{
			*count = 0;
			break;
		}
		bounds[i] = DatumGetTimestampTz(elements[i]);
		bounds[i] = Max(FIRST_TIME, Min(bounds[i], LAST_TIME));
		if (i > 0 && bounds[i] < bounds[i - 1])
			bounds[i] = bounds[i - 1]; /* a period that ends before it begins is empty */
	}
	return bounds;
}

Dimension
cells_dimension(const text *name)
{
	Span span = span_of_text(name);

	for (int i = 0; i < DIMENSION_COUNT; i++)
	{
		if (span_equal(span, (Span){dimension_names[i], (int) strlen(dimension_names[i])}))
			return (Dimension) i;
	}
	ereport(
		ERROR, errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("there is no such dimension"),
		errhint("The dimensions are all, page, entry, origin, country, browser, system, device, "
				"language and screen."));
}
