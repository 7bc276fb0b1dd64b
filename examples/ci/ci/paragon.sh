#!/bin/sh
# What a pipeline does with the workflows of this repository:
#
#   ci/paragon.sh check            are they right, and do their tests pass? (needs no server)
#   ci/paragon.sh plan [FILE]      what would change? (Markdown; a comment for the pull request)
#   ci/paragon.sh deploy RELEASE   change it, under the name of a release
#
# plan and deploy need PARAGON_SERVER and PARAGON_TOKEN; PARAGON_PROJECT is "default" unless
# it is set. PARAGON_SET names what is applied together: what was applied under the name
# before, and is gone from the repository, is deleted. PARAGON_JUNIT is the file that check
# writes the tests' results to, as JUnit XML.
set -eu
cd "$(dirname "$0")/.."
set_name=${PARAGON_SET:-$(basename "$PWD")}
files='-f workflows -f secrets -R'

# shellcheck disable=SC2086 # the flags are words
case ${1:-} in
check)
	paragonctl fmt --check $files -f tests
	paragonctl validate --format "${PARAGON_FORMAT:-text}" $files -f tests
	paragonctl test --format "${PARAGON_FORMAT:-text}" --coverage ${PARAGON_JUNIT:+--junit "$PARAGON_JUNIT"} $files -f tests
	;;
plan)
	# diff says with 1 that there is something to do, which is no failure here.
	code=0
	paragonctl diff --format markdown --set "$set_name" --prune $files >"${2:-/dev/stdout}" || code=$?
	[ "$code" -le 1 ] || exit "$code"
	;;
deploy)
	[ -n "${2:-}" ] || { echo "usage: $0 deploy RELEASE" >&2; exit 2; }
	paragonctl apply --set "$set_name" --prune --yes --release "$2" --format "${PARAGON_FORMAT:-text}" $files
	;;
*)
	echo "usage: $0 check | plan [FILE] | deploy RELEASE" >&2
	exit 2
	;;
esac
