/*
 * listener_limits.c
 *	  Addresses, the caps on connections and messages, and what pongs prove.
 */
#include "unit.h"

#include <stdlib.h>

#include "../../src/listener/address.h"
#include "../../src/listener/limits.h"
#include "../../src/listener/pulse.h"

static const uint64_t seed[2] = {1, 2};

static Address
address(const char *text)
{
	Address result = {{0}};

	CHECK(address_parse(text, strlen(text), &result));
	return result;
}

static bool
same(Address a, Address b)
{
	return memcmp(&a, &b, sizeof a) == 0;
}

TEST(an_address_is_read_in_every_form_that_proxies_write)
{
	Address ignored;

	CHECK(same(address("192.0.2.1"), address("::ffff:192.0.2.1")));
	CHECK(same(address("192.0.2.1:4711"), address("192.0.2.1")));
	CHECK(same(address("[2001:db8::1]"), address("2001:db8::1")));
	CHECK(same(address("[2001:db8::1]:4711"), address("2001:DB8::1")));
	CHECK(!address_parse("", 0, &ignored));
	CHECK(!address_parse("unknown", 7, &ignored));
	CHECK(!address_parse("1.2.3", 5, &ignored));
	CHECK(!address_parse("[::1", 4, &ignored));
	CHECK(!address_parse("[::1]x", 6, &ignored));
	CHECK(!address_parse("1.2.3.4\0", 8, &ignored));
	CHECK(!address_parse("1.2.3.4.5.6.7.8.9.10.11.12.13.14.15.16.17.18.19.20.21", 52, &ignored));
}

TEST(a_visitor_is_a_whole_v4_address_or_a_v6_network)
{
	CHECK(!same(address_key(address("192.0.2.1")), address_key(address("192.0.2.2"))));
	CHECK(same(address_key(address("2001:db8::1")), address_key(address("2001:db8::ffff:1"))));
	CHECK(!same(address_key(address("2001:db8:0:1::1")), address_key(address("2001:db8:0:2::1"))));
}

TEST(a_proxy_is_trusted_only_within_its_network)
{
	NetworkList list;

	REQUIRE(network_list_parse(
		text_of(
			"127.0.0.1 10.0.0.0/8 2001:db8::/32 192.0.2.128/25 nonsense 1.2.3.4/33 ::/129 1.2.3.4/"),
		&list));
	CHECK_INT(list.count, 4);
	CHECK(network_list_contains(&list, address("127.0.0.1")));
	CHECK(!network_list_contains(&list, address("127.0.0.2")));
	CHECK(network_list_contains(&list, address("10.255.0.1")));
	CHECK(!network_list_contains(&list, address("11.0.0.1")));
	CHECK(network_list_contains(&list, address("2001:db8:ffff::1")));
	CHECK(!network_list_contains(&list, address("2001:db9::1")));
	CHECK(network_list_contains(&list, address("192.0.2.200")));
	CHECK(!network_list_contains(&list, address("192.0.2.1")));
	network_list_free(&list);
	REQUIRE(network_list_parse(text_of(""), &list));
	CHECK(!network_list_contains(&list, address("127.0.0.1")));
	network_list_free(&list);
}

TEST(nobody_can_invent_a_visitor_address)
{
	NetworkList trusted;
	Address		proxy = address("10.0.0.1");

	REQUIRE(network_list_parse(text_of("10.0.0.0/8"), &trusted));
	CHECK(same(address_of_visitor(address("192.0.2.1"), false, text_of("198.51.100.1"), &trusted),
			   address("192.0.2.1")));
	CHECK(same(address_of_visitor(proxy, true, text_of("198.51.100.1"), &trusted),
			   address("198.51.100.1")));
	CHECK(
		same(address_of_visitor(proxy, true, text_of("1.1.1.1, 198.51.100.1 , 10.0.0.2"), &trusted),
			 address("198.51.100.1")));
	CHECK(same(address_of_visitor(proxy, true, text_of("10.9.9.9,10.0.0.2"), &trusted),
			   address("10.9.9.9")));
	CHECK(same(address_of_visitor(proxy, true, text_of("198.51.100.1, garbage"), &trusted), proxy));
	CHECK(same(address_of_visitor(proxy, true, text_of(""), &trusted), proxy));
	CHECK(same(address_of_visitor(proxy, true, text_of(",,"), &trusted), proxy));
	network_list_free(&trusted);
}

TEST(an_address_gets_no_more_than_its_share)
{
	AddressTable *table = address_table_new(10, seed);
	Address		  one = address("192.0.2.1");

	REQUIRE(table != NULL);
	CHECK(address_table_take(table, one, 2));
	CHECK(address_table_take(table, one, 2));
	CHECK(!address_table_take(table, one, 2));
	CHECK(address_table_take(table, address("192.0.2.2"), 2));
	CHECK(address_table_take(table, one, 0));
	address_table_release(table, one);
	address_table_release(table, one);
	CHECK(address_table_take(table, one, 2));
	CHECK_INT(address_table_count(table), 2);
	address_table_release(table, address("198.51.100.7"));
	CHECK_INT(address_table_count(table), 2);
	address_table_free(table);
}

TEST(an_address_comes_no_more_often_than_it_may)
{
	RateTable *table = rate_table_new(10, seed);
	Address	   one = address("192.0.2.1");
	int		   taken = 0;
	Micros	   now = 1000 * MICROS_PER_SECOND;

	REQUIRE(table != NULL);
	for (int i = 0; i < 100; i++)
		taken += rate_table_take(table, one, 10, now);
	CHECK_INT(taken, 20);
	CHECK(rate_table_take(table, address("192.0.2.2"), 10, now));
	CHECK(rate_table_take(table, one, 0, now));
	CHECK(!rate_table_take(table, one, 10, now + MICROS_PER_SECOND / 20));
	CHECK(rate_table_take(table, one, 10, now + MICROS_PER_SECOND / 10));
	CHECK(!rate_table_take(table, one, 10, now + MICROS_PER_SECOND / 10));
	for (int i = 0; i < 100; i++)
		taken += rate_table_take(table, one, 10, now + 60 * MICROS_PER_SECOND);
	CHECK_INT(taken, 40);
	rate_table_free(table);
}

/* Whoever stays busy is not forgotten for those who come once. */
TEST(a_flood_of_addresses_does_not_make_one_forgotten_that_stays)
{
	RateTable *table = rate_table_new(1000, seed);
	Address	   one = address("192.0.2.1");
	Micros	   now = 1000 * MICROS_PER_SECOND;
	int		   taken = 0;

	REQUIRE(table != NULL);
	for (uint32_t i = 0; i < 100000; i++)
	{
		Address other = address("2001:db8::");

		memcpy(other.bytes + 4, &i, sizeof i);
		CHECK(rate_table_take(table, other, 10, now + i));
		if (i % 100 == 0)
			taken += rate_table_take(table, one, 10, now + i);
	}
	CHECK_INT(taken, 20);
	rate_table_free(table);
}

/* Counts by a plain array what the table counts by hashing, over many random turns. */
TEST(the_table_of_addresses_forgets_nobody_and_keeps_nobody)
{
	enum
	{
		ADDRESSES = 300,
		CONNECTIONS = 200
	};
	AddressTable *table = address_table_new(CONNECTIONS, seed);
	unsigned	  held[ADDRESSES] = {0};
	unsigned	  total = 0;
	unsigned	  distinct = 0;

	REQUIRE(table != NULL);
	srandom(1);
	for (int turn = 0; turn < 200000; turn++)
	{
		unsigned i = (unsigned) random() % ADDRESSES;
		Address	 key = {{0x20, 0x01, (uint8_t) (i >> 8), (uint8_t) i}};

		if (random() % 2 == 0 && total < CONNECTIONS)
		{
			bool taken = address_table_take(table, key, 3);

			CHECK_INT(taken, held[i] < 3);
			if (taken)
			{
				distinct += held[i]++ == 0;
				total++;
			}
		}
		else if (held[i] > 0)
		{
			address_table_release(table, key);
			distinct -= --held[i] == 0;
			total--;
		}
		if (address_table_count(table) != distinct)
			break;
	}
	CHECK_INT(address_table_count(table), distinct);
	address_table_free(table);
}

TEST(a_flood_of_messages_is_stopped_and_a_burst_is_not)
{
	Allowance allowance;
	Micros	  now = 1000;
	int		  taken = 0;

	allowance_init(&allowance, 50, 100, now);
	while (allowance_take(&allowance, 50, 100, now))
		taken++;
	CHECK_INT(taken, 100);
	now += MICROS_PER_SECOND;
	for (taken = 0; allowance_take(&allowance, 50, 100, now);)
		taken++;
	CHECK_INT(taken, 50);
	now += 3600 * MICROS_PER_SECOND;
	for (taken = 0; allowance_take(&allowance, 50, 100, now);)
		taken++;
	CHECK_INT(taken, 100);
	CHECK(!allowance_take(&allowance, 50, 100, now - MICROS_PER_SECOND));
}

/* --- pings --------------------------------------------------------------------- */

#define SECOND MICROS_PER_SECOND

TEST(a_sleeping_machine_is_not_taken_for_an_awake_one)
{
	Pulse pulse;

	pulse_start(&pulse, 0);
	pulse_ping(&pulse, 10 * SECOND);
	pulse_pong(&pulse, 10 * SECOND, 10 * SECOND);
	/* It sleeps for a minute; the ping of before is answered after that. */
	pulse_ping(&pulse, 20 * SECOND);
	pulse_pong(&pulse, 10 * SECOND, 80 * SECOND);
	CHECK_INT(pulse_message(&pulse, 81 * SECOND), 0);
}

TEST(a_blocked_page_on_an_awake_machine_is_covered_by_pongs)
{
	Pulse pulse;

	pulse_start(&pulse, 0);
	for (int i = 1; i <= 5; i++)
	{
		pulse_ping(&pulse, 10 * i * SECOND);
		pulse_pong(&pulse, 10 * SECOND, 10 * i * SECOND);
	}
	CHECK_INT(pulse_message(&pulse, 55 * SECOND), 40000);
	CHECK_INT(pulse_message(&pulse, 56 * SECOND), 0);
	/* What began before the last message counts from that on. */
	pulse_pong(&pulse, 10 * SECOND, 60 * SECOND);
	CHECK_INT(pulse_message(&pulse, 61 * SECOND), 4000);
}

TEST(a_silent_socket_dies_and_a_living_one_does_not)
{
	Pulse pulse;

	pulse_start(&pulse, 0);
	CHECK(!pulse_is_dead(&pulse, 10 * SECOND, 1000 * SECOND));
	pulse_ping(&pulse, 10 * SECOND);
	pulse_ping(&pulse, 20 * SECOND);
	CHECK(!pulse_is_dead(&pulse, 10 * SECOND, 34 * SECOND));
	CHECK(pulse_is_dead(&pulse, 10 * SECOND, 35 * SECOND));
	CHECK_INT(pulse_message(&pulse, 35 * SECOND), 0);
	CHECK(!pulse_is_dead(&pulse, 10 * SECOND, 1000 * SECOND));
	CHECK_INT(pulse.last_life, 35 * SECOND);
	pulse_ping(&pulse, 40 * SECOND);
	pulse_pong(&pulse, 10 * SECOND, 41 * SECOND);
	CHECK(!pulse_is_dead(&pulse, 10 * SECOND, 1000 * SECOND));
	CHECK_INT(pulse.last_life, 41 * SECOND);
}

int
main(int argc, char **argv)
{
	unit_start(argc, argv);
	RUN(an_address_is_read_in_every_form_that_proxies_write);
	RUN(a_visitor_is_a_whole_v4_address_or_a_v6_network);
	RUN(a_proxy_is_trusted_only_within_its_network);
	RUN(nobody_can_invent_a_visitor_address);
	RUN(an_address_gets_no_more_than_its_share);
	RUN(an_address_comes_no_more_often_than_it_may);
	RUN(a_flood_of_addresses_does_not_make_one_forgotten_that_stays);
	RUN(the_table_of_addresses_forgets_nobody_and_keeps_nobody);
	RUN(a_flood_of_messages_is_stopped_and_a_burst_is_not);
	RUN(a_sleeping_machine_is_not_taken_for_an_awake_one);
	RUN(a_blocked_page_on_an_awake_machine_is_covered_by_pongs);
	RUN(a_silent_socket_dies_and_a_living_one_does_not);
	return unit_finish();
}
