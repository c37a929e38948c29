-- ---------------------------------------------------------------------------
-- What ALTER DEFAULT PRIVILEGES gave away is taken back
-- ---------------------------------------------------------------------------

-- The last part: whoever may read every new table is not meant to read the keys of cookies.
DO $$
DECLARE
	given record;
BEGIN
	FOR given IN
		SELECT CASE i.type WHEN 'view' THEN 'table' WHEN 'aggregate' THEN 'function' ELSE i.type END AS type, i.identity, r.rolname AS role
		FROM pg_catalog.pg_extension AS e
		JOIN pg_catalog.pg_depend AS d ON d.refclassid OPERATOR(pg_catalog.=) 'pg_catalog.pg_extension'::pg_catalog.regclass
			AND d.refobjid OPERATOR(pg_catalog.=) e.oid AND d.deptype OPERATOR(pg_catalog.=) 'e'
		JOIN pg_catalog.pg_shdepend AS s ON s.classid OPERATOR(pg_catalog.=) d.classid AND s.objid OPERATOR(pg_catalog.=) d.objid
			AND s.deptype OPERATOR(pg_catalog.=) 'a'
		JOIN pg_catalog.pg_database AS b ON b.oid OPERATOR(pg_catalog.=) s.dbid
			AND b.datname OPERATOR(pg_catalog.=) pg_catalog.current_database()
		JOIN pg_catalog.pg_roles AS r ON r.oid OPERATOR(pg_catalog.=) s.refobjid
			AND r.rolname OPERATOR(pg_catalog.<>) ALL (ARRAY['pageviews_reader', 'pageviews_site_reader', 'pageviews_collector'])
		CROSS JOIN LATERAL pg_catalog.pg_identify_object(d.classid, d.objid, 0) AS i
		WHERE e.extname OPERATOR(pg_catalog.=) 'pageviews'
	LOOP
		EXECUTE pg_catalog.format('REVOKE ALL ON %s %s FROM %I', given.type, given.identity, given.role);
	END LOOP;
END
$$;
