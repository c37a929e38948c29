/*
 * sql.h
 *	  Queries and statements of the reports and roll-ups, through SPI, which the
 *	  caller has connected.  All raise when SPI fails.
 */
#ifndef PAGEVIEWS_SQL_H
#define PAGEVIEWS_SQL_H

#include "postgres.h"

#include "executor/spi.h"
#include "nodes/params.h"

/* Parameters; `nulls` says 'n' for those that are NULL, NULL: none is. */
extern ParamListInfo sql_parameters(int count, const Oid *types, const Datum *values,
									const char *nulls);

/*
 * Runs a query in the active snapshot, planned for its parameters; its rows are in
 * SPI_tuptable.  Returns how many.
 */
extern uint64 sql_select(const char *query, int count, const Oid *types, const Datum *values,
						 const char *nulls);

/* A column of a row of SPI_tuptable; rows are counted from 0, columns from 1. */
extern Datum sql_value(uint64 row, int column, bool *null);

/*
 * Runs a statement, in a snapshot of its own.  With `plan` it is planned once in
 * the life of the process; NULL: this once.  Returns how many rows.
 */
extern uint64 sql_execute(SPIPlanPtr *plan, const char *statement, int count, Oid *types,
						  Datum *values);

#endif /* PAGEVIEWS_SQL_H */
