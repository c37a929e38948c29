# shellcheck shell=bash
# What the scripts in tools/ share; sourced, never run.
#
# A workshop is a private folder in which servers may be started: a copy of the
# Postgres of PG_CONFIG with this build of pageviews installed in it, and a copy
# of the tree.  Nothing is installed into the system's Postgres, no cluster of
# the machine is touched, and a checkout that only root can read works as well:
# Postgres refuses to run as root, so root hands the workshop to user postgres.

set -euo pipefail
unset CDPATH
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$top"
PG_CONFIG=${PG_CONFIG:-pg_config}

# One clear sentence, and the end.
die()
{
	printf 'pageviews: %s\n' "$*" >&2
	exit 1
}

say()
{
	printf '%s\n' "$*"
}

# Runs a command quietly; what it said is shown only when it fails.
quietly()
{
	local log

	log=$(mktemp)
	if ! "$@" >"$log" 2>&1 </dev/null; then
		tail -n 60 "$log" >&2
		rm -f "$log"
		return 1
	fi
	rm -f "$log"
}

# The files of the tree, tracked or new, NUL-terminated; works without git too.
tree_files()
{
	if git -C "$top" rev-parse --is-inside-work-tree >/dev/null 2>&1; then
		git -C "$top" ls-files -z --cached --others --exclude-standard |
			while IFS= read -r -d '' file; do
				[ ! -e "$file" ] || printf '%s\0' "$file"
			done
	else
		find . \( -name .git -o -name node_modules -o -path ./build -o -path ./tmp_check \) -prune \
			-o -type f ! -name '*.o' ! -name '*.so' ! -name '*.d' -printf '%P\0'
	fi
}

# What runs a command as user postgres when we are root, as ourselves otherwise.
# It becomes the command, so that a signal to it is one to the command.
as_server=()
if [ "$(id -u)" = 0 ]; then
	as_server=(setpriv --reuid postgres --regid postgres --init-groups --)
fi

# Builds what lies between a cluster and its machine in tests (Pageviews::Faults::Seam).
build_seam()
{
	${CC:-cc} -std=gnu11 -O2 -Wall -Wextra -Werror -Wshadow -shared -fPIC \
		-DSWITCH_FILE="\"$PWD/tmp_check/fault_switches\"" \
		-o tmp_check/fault_seam.so test/tools/fault_seam.c || die "the seam does not build"
}

# Whether the machine's Node is one that the browser tests can use.
node_is_new()
{
	node -e 'process.exit(process.versions.node.split(".")[0] >= 20 ? 0 : 1)'
}

# Whether a folder has at least so many megabytes left.
has_room()
{
	local free

	free=$(df -Pk "$1" | awk 'NR == 2 {print $4}')
	[ "$free" -ge $(($2 * 1024)) ]
}

# Copies the Postgres of PG_CONFIG below $1, where it finds itself again by the
# relative paths of its folders, and sets PG_CONFIG to the copy's.
copy_postgres()
{
	local to=$1 prefix folder folders=() name

	for name in bindir sharedir pkglibdir includedir-server; do
		folders+=("$("$PG_CONFIG" --$name)") || die "$PG_CONFIG does not run"
	done
	prefix=${folders[0]}
	for folder in "${folders[@]}"; do
		while [ "${folder#"$prefix"/}" = "$folder" ]; do
			prefix=${prefix%/*}
		done
	done
	for folder in "${folders[@]}"; do
		mkdir -p "$to/${folder#"$prefix"/}"
		cp -a "$folder/." "$to/${folder#"$prefix"/}/"
	done
	PG_CONFIG=$to/${folders[0]#"$prefix"/}/pg_config
	export PG_CONFIG
}

# Makes the workshop at $work, with a tree when $1 is "tree"; gone at the end of
# the script, however it ends.
make_workshop()
{
	local original=$PG_CONFIG

	work=$(mktemp -d "${TMPDIR:-/tmp}/pv.XXXXXX" 2>/dev/null) || die "no temporary folder can be made"
	trap remove_workshop EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM HUP
	has_room "$work" 400 ||
		die "there is no room in $(dirname "$work"): 400 MB are needed (TMPDIR names another folder)"
	command -v "$PG_CONFIG" >/dev/null ||
		die "$PG_CONFIG is not there: run \"make prepare\", or name your Postgres with PG_CONFIG="
	quietly make PG_CONFIG="$original" all || die "the build failed"
	copy_postgres "$work/postgres" || die "Postgres could not be copied to $work"
	quietly make PG_CONFIG="$PG_CONFIG" install || die "the installation into $work failed"
	mkdir -p "$work/home" "$work/tmp"
	if [ "${1:-}" = tree ]; then
		quietly make PG_CONFIG="$original" build/intruder/pageviews_listener ||
			die "the listener that misbehaves was not built"
		cp -r build/intruder "$work/intruder"
		mkdir "$work/tree"
		tree_files | tar -C "$top" --null -T - -cf - | tar -C "$work/tree" -xf -
		find . -name node_modules -prune -printf '%P\0' |
			tar -C "$top" --null -T - -cf - | tar -C "$work/tree" -xf -
	fi
	chmod 755 "$work"
	if [ "$(id -u)" = 0 ]; then
		chown -R postgres: "$work"
	fi
}

remove_workshop()
{
	local status=$?

	trap - EXIT
	trap '' INT TERM HUP
	if [ -n "${work:-}" ] && [ -d "$work" ]; then
		cd /
		# shellcheck disable=SC2046
		kill $(jobs -p) 2>/dev/null || true
		wait
		stop_servers
		rm -rf "$work"
	fi
	exit "$status"
}

# Every server whose data lies in the workshop is told to stop at once.
stop_servers()
{
	local file pid

	while IFS= read -r -d '' file; do
		pid=$(head -n 1 "$file")
		kill -QUIT "$pid" 2>/dev/null || continue
		for _ in $(seq 100); do
			kill -0 "$pid" 2>/dev/null || break
			sleep 0.05
		done
	done < <(find "$work" -name postmaster.pid -print0 2>/dev/null)
}

# Runs a command in the workshop's tree, as whoever may run servers.
in_workshop()
{
	(
		cd "$work/tree"
		export HOME=$work/home TMPDIR=$work/tmp PAGEVIEWS_WORKSHOP=$work PG_CONFIG
		PATH=$("$PG_CONFIG" --bindir):$PATH
		"${as_server[@]}" "$@" </dev/null
	)
}

# A suite that needs servers moves itself into a workshop, unless it is in one.
enter_workshop()
{
	[ -z "${PAGEVIEWS_WORKSHOP:-}" ] || return 0
	make_workshop tree
	in_workshop "$@"
	exit
}
