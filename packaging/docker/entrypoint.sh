#!/bin/sh
# The container's entry point: sees to it that no default password is in force, then becomes the server, or whatever command was given.
#
# In a container "this machine" is the container, so the default passwords are good for nobody but the agents in it. Admin gets a random
# one at the first start, which is told once, here; it can be changed like any other, and is never set again.
set -eu

# A word of 24 letters and digits: 142 bits.
random_word() {
    word=$(head -c 512 /dev/urandom | LC_ALL=C tr -dc 'A-Za-z0-9' | cut -c 1-24)
    [ "${#word}" = 24 ] || {
        echo 'entrypoint: the system gives no random bytes' >&2
        exit 1
    }
    printf '%s\n' "$word"
}

has_default_password() {
    # One object a line, whatever the order of its fields.
    openrunner user list --json | tr -d ' \n' | tr '}' '\n' | grep "\"username\":\"$1\"" | grep -q '"default_password":true'
}

case ${1:-serve} in
-*) set -- serve "$@" ;;
serve) [ $# -gt 0 ] || set -- serve ;;
*) exec openrunner "$@" ;;
esac

if has_default_password user; then
    # Told to nobody: `openrunner user passwd user` sets one that somebody knows.
    random_word | openrunner user passwd user >/dev/null
fi
if [ -z "${OPENRUNNER_ADMIN_PASSWORD:-}" ] && has_default_password admin; then
    password=$(random_word)
    printf '%s\n' "$password" | openrunner user passwd admin >/dev/null
    printf 'openrunner: the password of admin is %s; it is not told again\n' "$password"
    unset password
fi
exec openrunner "$@"
