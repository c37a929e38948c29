/*
 * details.c
 *	  Slices of what is in TOAST, see details.h.
 *
 * As files are read ahead, where nobody has said what will be read: each slice that
 * begins where the one before ended is twice as long, up to some limit; one that begins
 * elsewhere is as long as was asked.
 */
#include "details.h"

#include "access/detoast.h"
#include "utils/memutils.h"

#include "varint.h"

/* Of a slice, in bytes, but where more is asked for at once; a core's cache holds many of them. */
#define SLICE_LIMIT (32 * 1024)

struct Details
{
	MemoryContext context;
	const bytea	 *stored;	/* where it is in TOAST; NULL: all is in `bytes` */
	int			  length;	/* of it all */
	int			  expected; /* what lies before this will be read */
	bytea		 *slice;	/* what `bytes` is in */
	const char	 *bytes;	/* what is there, from offset `from` up to `until` */
	int			  from;
	int			  until;
};

Details *
details_open(const bytea *stored)
{
	Details *details = palloc0(sizeof *details);

	details->context = CurrentMemoryContext;
	if (VARATT_IS_EXTERNAL_ONDISK(stored))
	{
		struct varatt_external pointer;

		VARATT_EXTERNAL_GET_POINTER(pointer, stored);
		details->length = pointer.va_rawsize - VARHDRSZ;
		details->stored = stored;
	}
	else
	{
		const bytea *plain = (const bytea *) detoast_attr((struct varlena *) stored);

		details->length = details->until = (int) VARSIZE_ANY_EXHDR(plain);
		details->bytes = VARDATA_ANY(plain);
	}
	return details;
}

int
details_length(const Details *details)
{
	return details->length;
}

void
details_expect(Details *details, int until)
{
	details->expected = until;
}

/* Fetches a slice that begins at an offset and is at least so long. */
static void
fetch(Details *details, int offset, int length)
{
	MemoryContext caller = MemoryContextSwitchTo(details->context);
	int			  ahead = 0;

	if (offset < details->expected)
		ahead = Min(SLICE_LIMIT, details->expected - offset);
	else if (offset >= details->from && offset <= details->until)
		ahead =
			Min(Min(SLICE_LIMIT, 2 * (details->until - details->from)), details->length - offset);
	length = Max(length, ahead);
	if (details->slice != NULL)
		pfree(details->slice);
	details->slice = NULL;
	details->slice =
		(bytea *) detoast_attr_slice((struct varlena *) details->stored, offset, length);
	MemoryContextSwitchTo(caller);
	if ((int) VARSIZE_ANY_EXHDR(details->slice) != length)
		varint_corrupted();
	details->bytes = VARDATA_ANY(details->slice);
	details->from = offset;
	details->until = offset + length;
}

const char *
details_read(Details *details, int offset, int length)
{
	if (offset < 0 || length < 0 || offset > details->length - length)
		varint_corrupted();
	if (offset < details->from || offset + length > details->until)
		fetch(details, offset, length);
	return details->bytes + (offset - details->from);
}
