/*
 * sql.c
 *	  Queries and statements through SPI, see sql.h.
 */
#include "sql.h"

ParamListInfo
sql_parameters(int count, const Oid *types, const Datum *values, const char *nulls)
{
	ParamListInfo parameters = makeParamList(count);

	for (int i = 0; i < count; i++)
		parameters->params[i] = (ParamExternData){values[i], nulls != NULL && nulls[i] == 'n',
												  PARAM_FLAG_CONST, types[i]};
	return parameters;
}

uint64
sql_select(const char *query, int count, const Oid *types, const Datum *values, const char *nulls)
{
	SPIExecuteOptions options = {.params = sql_parameters(count, types, values, nulls),
								 .read_only = true};
	int				  result = SPI_execute_extended(query, &options);

	if (result < 0)
		elog(ERROR, "could not run a query: %s", SPI_result_code_string(result));
	return SPI_processed;
}

Datum
sql_value(uint64 row, int column, bool *null)
{
	return SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column, null);
}

uint64
sql_execute(SPIPlanPtr *plan, const char *statement, int count, Oid *types, Datum *values)
{
	int result;

	if (plan == NULL)
		result = SPI_execute_with_args(statement, count, types, values, NULL, false, 0);
	else
	{
		if (*plan == NULL)
		{
			SPIPlanPtr prepared = SPI_prepare(statement, count, types);

			if (prepared == NULL || SPI_keepplan(prepared) != 0)
				elog(ERROR, "could not prepare a statement: %s",
					 SPI_result_code_string(SPI_result));
			*plan = prepared;
		}
		result = SPI_execute_plan(*plan, values, NULL, false, 0);
	}
	if (result < 0)
		elog(ERROR, "could not run a statement: %s", SPI_result_code_string(result));
	return SPI_processed;
}
