-- ---------------------------------------------------------------------------
-- Time zones of sites: where their days begin
-- ---------------------------------------------------------------------------

CREATE TABLE pageviews.sites (
	site text NOT NULL,
	time_zone text NOT NULL,
	CONSTRAINT sites_pkey PRIMARY KEY (site)
);
COMMENT ON TABLE pageviews.sites IS 'sites whose days are those of a time zone; all others have the days of whoever asks (setting TimeZone)';
COMMENT ON COLUMN pageviews.sites.site IS 'host of the pages';
COMMENT ON COLUMN pageviews.sites.time_zone IS 'its time zone: one of pg_timezone_names, but none whose name is an abbreviation, too, UTC and GMT excepted';
COMMENT ON CONSTRAINT sites_pkey ON pageviews.sites IS 'a site has one time zone';
COMMENT ON INDEX pageviews.sites_pkey IS 'a site has one time zone';
SELECT pg_catalog.pg_extension_config_dump('pageviews.sites', '');

CREATE FUNCTION pageviews.check_time_zone()
RETURNS trigger
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF new.time_zone NOT IN (SELECT z.name FROM pg_timezone_names AS z) THEN
		RAISE EXCEPTION 'there is no time zone "%"', new.time_zone
			USING ERRCODE = 'invalid_parameter_value',
				  HINT = 'SELECT name FROM pg_timezone_names shows those that there are; take one of a place, for example Europe/Zurich.';
	END IF;
	-- CET is both a zone and an abbreviation, and the latter, a fixed offset, summer or not, is what AT TIME ZONE takes it for.
	IF new.time_zone NOT IN ('UTC', 'GMT') AND upper(new.time_zone) IN (SELECT a.abbrev FROM pg_timezone_abbrevs AS a) THEN
		RAISE EXCEPTION 'time zone "%" has the name of an abbreviation, which stands for a fixed offset, summer or not', new.time_zone
			USING ERRCODE = 'invalid_parameter_value',
				  HINT = 'Take the zone of a place, for example Europe/Zurich, or UTC.';
	END IF;
	RETURN new;
END
$$;
COMMENT ON FUNCTION pageviews.check_time_zone() IS 'refuses a time zone that there is not, or that would be taken for a fixed offset';

CREATE TRIGGER check_time_zone BEFORE INSERT OR UPDATE ON pageviews.sites
	FOR EACH ROW EXECUTE FUNCTION pageviews.check_time_zone();
COMMENT ON TRIGGER check_time_zone ON pageviews.sites IS 'refuses a time zone that there is not, or that would be taken for a fixed offset';

ALTER TABLE pageviews.sites ENABLE ROW LEVEL SECURITY;
CREATE POLICY reader ON pageviews.sites FOR SELECT TO pageviews_reader USING (true);
CREATE POLICY site_reader ON pageviews.sites FOR SELECT TO pageviews_site_reader
	USING (site OPERATOR(pg_catalog.=) ANY ((SELECT pageviews.visible_sites())::text[]));
COMMENT ON POLICY reader ON pageviews.sites IS 'readers see every site';
COMMENT ON POLICY site_reader ON pageviews.sites IS 'readers of some sites see the time zones of these';

CREATE FUNCTION pageviews.site_time_zone(site text)
RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
	SELECT s.time_zone FROM pageviews.sites AS s WHERE s.site = site_time_zone.site;
END;
COMMENT ON FUNCTION pageviews.site_time_zone(text) IS 'the time zone of a site, as pageviews.sites has it; NULL if it has none: then it is that of whoever asks';

-- A zone that is NULL is the setting TimeZone: its name would not do, CET means something else there.
CREATE FUNCTION pageviews.local_time(at timestamptz, zone text)
RETURNS timestamp
LANGUAGE sql STABLE PARALLEL SAFE
RETURN CASE WHEN zone IS NULL THEN at::timestamp ELSE at AT TIME ZONE zone END;
COMMENT ON FUNCTION pageviews.local_time(timestamptz, text) IS 'what clocks show in a time zone, or (NULL) in that of whoever asks';

CREATE FUNCTION pageviews.from_local_time(at timestamp, zone text)
RETURNS timestamptz
LANGUAGE sql STABLE PARALLEL SAFE
RETURN CASE WHEN zone IS NULL THEN at::timestamptz ELSE at AT TIME ZONE zone END;
COMMENT ON FUNCTION pageviews.from_local_time(timestamp, text) IS 'when clocks show a time in a time zone, or (NULL) in that of whoever asks';

CREATE FUNCTION pageviews.midnight(site text DEFAULT NULL, days_ago integer DEFAULT 0)
RETURNS timestamptz
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
	SELECT pageviews.from_local_time(date_trunc('day', pageviews.local_time(now(), z.name)) - midnight.days_ago * interval '1 day', z.name)
	FROM (SELECT pageviews.site_time_zone(midnight.site) AS name) AS z;
END;
COMMENT ON FUNCTION pageviews.midnight(text, integer) IS 'when the day began there, today''s or one that many days ago: for since and until of reports';

REVOKE ALL ON pageviews.sites FROM PUBLIC;
GRANT SELECT ON pageviews.sites TO pageviews_reader, pageviews_site_reader;
REVOKE ALL ON FUNCTION
	pageviews.check_time_zone(),
	pageviews.site_time_zone(text),
	pageviews.local_time(timestamptz, text),
	pageviews.from_local_time(timestamp, text),
	pageviews.midnight(text, integer)
FROM PUBLIC;
GRANT EXECUTE ON FUNCTION
	pageviews.site_time_zone(text),
	pageviews.local_time(timestamptz, text),
	pageviews.from_local_time(timestamp, text),
	pageviews.midnight(text, integer)
TO pageviews_reader, pageviews_site_reader;
