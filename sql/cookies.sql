-- The session cookie in SQL, and its keys.
CREATE EXTENSION pageviews;

-- What a listener signs, spelled out: HMAC-SHA-256 over name, '=', version, key, session, site and time of issue.
CREATE FUNCTION hmac_sha256(message bytea, key bytea) RETURNS bytea LANGUAGE plpgsql AS $$
DECLARE
	inner_pad bytea := decode(repeat('36', 64), 'hex');
	outer_pad bytea := decode(repeat('5c', 64), 'hex');
BEGIN
	FOR i IN 0 .. octet_length(key) - 1 LOOP
		inner_pad := set_byte(inner_pad, i, get_byte(inner_pad, i) # get_byte(key, i));
		outer_pad := set_byte(outer_pad, i, get_byte(outer_pad, i) # get_byte(key, i));
	END LOOP;
	RETURN sha256(outer_pad || sha256(inner_pad || message));
END
$$;
CREATE FUNCTION base64url(bytes bytea) RETURNS text LANGUAGE sql RETURN translate(encode(bytes, 'base64'), E'+/=\n', '-_');
CREATE FUNCTION sign_cookie(session uuid, key_id integer, secret bytea, issued timestamptz DEFAULT now(), name text DEFAULT '_pageviews_session', site text DEFAULT 'example.com')
RETURNS text LANGUAGE sql
RETURN (SELECT body || '.' || base64url(hmac_sha256(convert_to(name || '=' || body, 'UTF8'), secret))
		FROM (SELECT '2.' || (key_id::bigint & 4294967295) || '.' || base64url(uuid_send(session)) || '.' || base64url(substr(sha256(convert_to(site, 'UTF8')), 1, 8)) || '.' || to_hex(extract(epoch FROM issued)::bigint)) AS b (body));

-- RFC 4231, test case 2: the helper above is right.
SELECT hmac_sha256('what do ya want for nothing?', 'Jefe');

-- There is no key at first, and no cookie is good.
SELECT count(*) FROM pageviews.cookie_keys;
SELECT pageviews.session_id('2.1.AAAAAAAAAAAAAAAAAAAAAA.AAAAAAAAAAA.0.AAAA');
INSERT INTO pageviews.cookie_keys (key_id, secret) VALUES (-2, decode(repeat('0123456789abcdef', 4), 'hex'));
SELECT sign_cookie('11111111-2222-4333-8444-555555555555', -2, secret) AS cookie FROM pageviews.cookie_keys \gset
SELECT pageviews.session_id(:'cookie');

-- With a site, only a cookie that was set for that host counts.
SELECT pageviews.session_id(:'cookie', 'example.com') AS here, pageviews.session_id(:'cookie', 'EXAMPLE.com:8080') AS same_host,
	   pageviews.session_id(:'cookie', 'www.example.com') AS elsewhere, pageviews.session_id(:'cookie', '') AS nowhere, pageviews.session_id(:'cookie', NULL) AS unknown;
SELECT pageviews.session_id(sign_cookie('11111111-2222-4333-8444-555555555555', -2, secret, site => 'example.org'), 'example.com') FROM pageviews.cookie_keys;

-- Everything but the true value is NULL.
SELECT pageviews.session_id(NULL), pageviews.session_id(''), pageviews.session_id('x'), pageviews.session_id(repeat('1', 100000));
SELECT pageviews.session_id(:'cookie' || ' '), pageviews.session_id(' ' || :'cookie'), pageviews.session_id(:'cookie' || '='), pageviews.session_id(upper(:'cookie'));
SELECT count(*) AS tampered_and_accepted FROM generate_series(1, length(:'cookie')) AS i,
	LATERAL (SELECT overlay(:'cookie' PLACING CASE substr(:'cookie', i, 1) WHEN 'A' THEN 'B' ELSE 'A' END FROM i FOR 1)) AS t (cookie)
WHERE pageviews.session_id(t.cookie) IS NOT NULL;
SELECT pageviews.session_id(sign_cookie('11111111-2222-4333-8444-555555555555', -2, sha256('another secret')));
SELECT pageviews.session_id(sign_cookie('11111111-2222-4333-8444-555555555555', 3, secret)) FROM pageviews.cookie_keys;
SELECT pageviews.session_id(sign_cookie('11111111-2222-4333-8444-555555555555', -2, secret, name => 'another_name')) FROM pageviews.cookie_keys;

-- Sixty days, unless pageviews.cookie_max_age says otherwise; not from the future.
SELECT pageviews.session_id(sign_cookie('11111111-2222-4333-8444-555555555555', -2, secret, now() - interval '59 days')) AS young,
	   pageviews.session_id(sign_cookie('11111111-2222-4333-8444-555555555555', -2, secret, now() - interval '61 days')) AS expired,
	   pageviews.session_id(sign_cookie('11111111-2222-4333-8444-555555555555', -2, secret, now() + interval '1 hour')) AS early
FROM pageviews.cookie_keys;

-- Rotation: the new key signs, the one before still verifies, older ones do not.
SELECT pageviews.rotate_cookie_key();
SELECT count(*), count(DISTINCT secret), bool_and(octet_length(secret) = 32), bool_and(key_id <> 0) FROM pageviews.cookie_keys;
SELECT pageviews.session_id(:'cookie');
SELECT key_id = -2 AS old_key FROM pageviews.load_cookie_keys();
SELECT pageviews.rotate_cookie_key();
SELECT count(*) FROM pageviews.cookie_keys;
SELECT pageviews.session_id(:'cookie');

-- The worker's way in makes a key when there is none, once.
DELETE FROM pageviews.cookie_keys;
SELECT count(*) FROM pageviews.load_cookie_keys();
SELECT count(*) FROM pageviews.load_cookie_keys();
BEGIN;
SELECT pageviews.rotate_cookie_key();
ROLLBACK;
SELECT count(*) FROM pageviews.cookie_keys;

-- Keys that are no keys.
\set VERBOSITY terse
INSERT INTO pageviews.cookie_keys (key_id, secret) VALUES (0, sha256('x'));
INSERT INTO pageviews.cookie_keys (key_id, secret) VALUES (1, 'short');
\set VERBOSITY default
SELECT pageviews.verify_cookie('x', '{1,NULL}', '{}');
SELECT pageviews.verify_cookie('x', '{1,2}', '{}');

-- A name with a prefix that browsers know is spelled as they do.
ALTER SYSTEM SET pageviews.cookie_name = '__host-session';
ALTER SYSTEM SET pageviews.cookie_name = '__Secure-';
ALTER SYSTEM SET pageviews.unix_socket = 'view.sock';

DROP FUNCTION sign_cookie(uuid, integer, bytea, timestamptz, text, text), base64url(bytea), hmac_sha256(bytea, bytea);
DROP EXTENSION pageviews;
