/*
 * device.c
 *	  A small table from what uap-core calls device and system, and from words that
 *	  only such devices say, to a class.
 *
 * uap-core names devices, some thousand of them, but does not say what kind they
 * are.  The first line of the table that fits decides; README.md tells of it.
 */
#ifdef POSTGRES_H
#error "the listener knows nothing of Postgres"
#endif

#include "device.h"

typedef enum TraitPlace
{
	DEVICE_BEGINS, /* the device's name begins with the word */
	SYSTEM_IS,
	AGENT_HAS /* the word is anywhere in the user agent, case as it is */
} TraitPlace;

typedef struct TraitLine
{
	DeviceClass is;
	TraitPlace	place;
	const char *word;
} TraitLine;

/* Whatever else they say. */
static const TraitLine certain[] = {{DEVICE_BOT, DEVICE_BEGINS, "Spider"},
									{DEVICE_CONSOLE, DEVICE_BEGINS, "PlayStation"},
									{DEVICE_CONSOLE, DEVICE_BEGINS, "Nintendo"},
									{DEVICE_CONSOLE, AGENT_HAS, "Nintendo "},
									{DEVICE_CONSOLE, AGENT_HAS, "PlayStation "},
									{DEVICE_CONSOLE, AGENT_HAS, "PLAYSTATION "},
									{DEVICE_CONSOLE, AGENT_HAS, "Xbox"},
									{DEVICE_TV, DEVICE_BEGINS, "AppleTV"},
									{DEVICE_TV, DEVICE_BEGINS, "HbbTV"},
									{DEVICE_TV, DEVICE_BEGINS, "Inettv"},
									{DEVICE_TV, SYSTEM_IS, "tvOS"},
									{DEVICE_TV, SYSTEM_IS, "ATV OS X"},
									{DEVICE_TV, SYSTEM_IS, "Chromecast"},
									{DEVICE_TV, AGENT_HAS, "SMART-TV"},
									{DEVICE_TV, AGENT_HAS, "SmartTV"},
									{DEVICE_TV, AGENT_HAS, "Smart TV"},
									{DEVICE_TV, AGENT_HAS, "HbbTV/"},
									{DEVICE_TV, AGENT_HAS, "GoogleTV"},
									{DEVICE_TV, AGENT_HAS, "Google TV"},
									{DEVICE_TV, AGENT_HAS, "Android TV"},
									{DEVICE_TV, AGENT_HAS, "AndroidTV"},
									{DEVICE_TV, AGENT_HAS, " TV Safari/"},
									{DEVICE_TV, AGENT_HAS, "CrKey/"},
									{DEVICE_TV, AGENT_HAS, "BRAVIA"},
									{DEVICE_TV, AGENT_HAS, "Web0S"},
									{DEVICE_TV, AGENT_HAS, "NetCast"},
									{DEVICE_TV, AGENT_HAS, "Roku/"},
									{DEVICE_TV, AGENT_HAS, "; AFT"},
									{DEVICE_TV, AGENT_HAS, "VIDAA"},
									{DEVICE_TV, AGENT_HAS, "Viera/"},
									{DEVICE_TV, AGENT_HAS, "; MiTV"},
									{DEVICE_TV, AGENT_HAS, "; MIBOX"}};

/* If the browser sent no hint that it is a phone's. */
static const TraitLine likely[] = {{DEVICE_TABLET, DEVICE_BEGINS, "iPad"},
								   {DEVICE_TABLET, DEVICE_BEGINS, "Kindle"},
								   {DEVICE_TABLET, DEVICE_BEGINS, "BlackBerry Playbook"},
								   {DEVICE_TABLET, DEVICE_BEGINS, "Generic Tablet"},
								   {DEVICE_TABLET, SYSTEM_IS, "BlackBerry Tablet OS"},
								   {DEVICE_TABLET, AGENT_HAS, "iPad"},
								   {DEVICE_TABLET, AGENT_HAS, "; Tablet;"},
								   {DEVICE_TABLET, AGENT_HAS, " Silk/"},
								   {DEVICE_MOBILE, DEVICE_BEGINS, "iPhone"},
								   {DEVICE_MOBILE, DEVICE_BEGINS, "iPod"},
								   {DEVICE_MOBILE, DEVICE_BEGINS, "Generic Smartphone"},
								   {DEVICE_MOBILE, DEVICE_BEGINS, "Generic Feature Phone"},
								   {DEVICE_MOBILE, AGENT_HAS, "Mobi"},
								   {DEVICE_MOBILE, AGENT_HAS, "Opera Mini/"},
								   {DEVICE_MOBILE, SYSTEM_IS, "iOS"},
								   {DEVICE_MOBILE, SYSTEM_IS, "WatchOS"},
								   {DEVICE_MOBILE, SYSTEM_IS, "KaiOS"},
								   {DEVICE_MOBILE, SYSTEM_IS, "Windows Phone"},
								   {DEVICE_MOBILE, SYSTEM_IS, "Windows Mobile"},
								   {DEVICE_MOBILE, SYSTEM_IS, "BlackBerry OS"},
								   {DEVICE_MOBILE, SYSTEM_IS, "Symbian OS"},
								   {DEVICE_MOBILE, SYSTEM_IS, "Firefox OS"},
								   {DEVICE_MOBILE, SYSTEM_IS, "Nokia Series 40"},
								   {DEVICE_MOBILE, SYSTEM_IS, "Nokia Series 30 Plus"},
								   /* An Android that is no phone says nothing of Mobile. */
								   {DEVICE_TABLET, SYSTEM_IS, "Android"},
								   {DEVICE_DESKTOP, SYSTEM_IS, "Windows"},
								   {DEVICE_DESKTOP, SYSTEM_IS, "Mac OS X"},
								   {DEVICE_DESKTOP, SYSTEM_IS, "Mac OS"},
								   {DEVICE_DESKTOP, SYSTEM_IS, "Chrome OS"},
								   {DEVICE_DESKTOP, SYSTEM_IS, "Linux"},
								   {DEVICE_DESKTOP, SYSTEM_IS, "Ubuntu"},
								   {DEVICE_DESKTOP, SYSTEM_IS, "Kubuntu"},
								   {DEVICE_DESKTOP, SYSTEM_IS, "Debian"},
								   {DEVICE_DESKTOP, SYSTEM_IS, "Fedora"},
								   {DEVICE_DESKTOP, SYSTEM_IS, "Red Hat"},
								   {DEVICE_DESKTOP, SYSTEM_IS, "CentOS"},
								   {DEVICE_DESKTOP, SYSTEM_IS, "SUSE"},
								   {DEVICE_DESKTOP, SYSTEM_IS, "Mint"},
								   {DEVICE_DESKTOP, SYSTEM_IS, "Gentoo"},
								   {DEVICE_DESKTOP, SYSTEM_IS, "Arch Linux"},
								   {DEVICE_DESKTOP, SYSTEM_IS, "FreeBSD"},
								   {DEVICE_DESKTOP, SYSTEM_IS, "OpenBSD"},
								   {DEVICE_DESKTOP, SYSTEM_IS, "NetBSD"},
								   {DEVICE_DESKTOP, SYSTEM_IS, "Solaris"}};

static bool
fits(const TraitLine *line, const DeviceTraits *traits)
{
	size_t length = strlen(line->word);

	switch (line->place)
	{
		case DEVICE_BEGINS:
			return traits->device.length >= length &&
				   memcmp(traits->device.data, line->word, length) == 0;
		case SYSTEM_IS:
			return traits->system.length == length &&
				   memcmp(traits->system.data, line->word, length) == 0;
		case AGENT_HAS:
			return traits->user_agent.length >= length &&
				   memmem(traits->user_agent.data, traits->user_agent.length, line->word, length) !=
					   NULL;
	}
	return false;
}

/* What the first line that fits says. */
static DeviceClass
look_up(const TraitLine *lines, size_t count, const DeviceTraits *traits)
{
	for (size_t i = 0; i < count; i++)
	{
		if (fits(&lines[i], traits))
			return lines[i].is;
	}
	return DEVICE_UNKNOWN;
}

DeviceClass
device_class(const DeviceTraits *traits)
{
	DeviceClass is;

	if (traits->robot)
		return DEVICE_BOT;
	is = look_up(certain, sizeof certain / sizeof certain[0], traits);
	if (is != DEVICE_UNKNOWN)
		return is;
	if (traits->mobile)
		return DEVICE_MOBILE;
	return look_up(likely, sizeof likely / sizeof likely[0], traits);
}
