#!/bin/sh
# Container entry point: replaces the default passwords, then executes the server or the given command.
#
# Default passwords are accepted from the local machine only, which in a container is the container itself, so only agents could use them.
# At the first start admin gets a random password, which is printed once and can be changed like any other.
set -eu

# 24 letters and digits: 142 bits.
random_password() {
    random=$(head -c 512 /dev/urandom | LC_ALL=C tr -dc 'A-Za-z0-9' | cut -c 1-24)
    [ "${#random}" = 24 ] || {
        echo 'entrypoint: could not read random bytes from /dev/urandom' >&2
        exit 1
    }
    printf '%s\n' "$random"
}

has_default_password() {
    # Splits the JSON into one object per line; the order of fields does not matter.
    openrunner user ls --json --data-dir "$OPENRUNNER_DATA_DIR" | tr -d ' \n' | tr '}' '\n' | grep "\"username\":\"$1\"" | grep -q '"default_password":true'
}

case ${1:-serve} in
-*) set -- serve "$@" ;;
serve) [ $# -gt 0 ] || set -- serve ;;
*) exec openrunner "$@" ;;
esac

if has_default_password user; then
    # Not printed; `openrunner user set user --password` sets a known one.
    random_password | openrunner user set user --password --data-dir "$OPENRUNNER_DATA_DIR" >/dev/null
fi
if [ -z "${OPENRUNNER_ADMIN_PASSWORD:-}" ] && has_default_password admin; then
    password=$(random_password)
    printf '%s\n' "$password" | openrunner user set admin --password --data-dir "$OPENRUNNER_DATA_DIR" >/dev/null
    printf 'openrunner: generated admin password: %s (shown only once)\n' "$password"
    unset password
fi
exec openrunner "$@"
