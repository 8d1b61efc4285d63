#!/bin/sh
# Makes a Debian package from a release archive: packaging/deb.sh ARCHIVE DIRECTORY. Needs dpkg-deb.
#
# The service is installed but not enabled: it needs agents and a password first (docs/operating.md).
set -eu

archive=$1 out=$2
name=$(basename "$archive" .tar.gz)
case $name in
openrunner-*-x86_64-*) machine=x86_64 architecture=amd64 ;;
openrunner-*-aarch64-*) machine=aarch64 architecture=arm64 ;;
*)
    echo "deb.sh: no Debian architecture for $name" >&2
    exit 1
    ;;
esac
target=$machine-${name#*-"$machine"-}
version=${name#openrunner-}
version=${version%-"$target"}
# A static program runs with every C library.
depends=''
case $target in
*-gnu) depends='Depends: libc6' ;;
esac

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
tar -xzf "$archive" -C "$work"
tree=$work/$name root=$work/root

# Usage: put SOURCE DESTINATION [MODE]
put() {
    mkdir -p "$root/$(dirname "$2")"
    install -m "${3:-644}" "$tree/$1" "$root/$2"
}
put openrunner usr/bin/openrunner 755
put man/openrunner.1 usr/share/man/man1/openrunner.1
gzip -9n "$root/usr/share/man/man1/openrunner.1"
put completions/openrunner.bash usr/share/bash-completion/completions/openrunner
put completions/_openrunner usr/share/zsh/vendor-completions/_openrunner
put completions/openrunner.fish usr/share/fish/vendor_completions.d/openrunner.fish
put LICENSE usr/share/doc/openrunner/copyright
put packaging/systemd/openrunner.socket usr/lib/systemd/system/openrunner.socket
sed 's|/usr/local/bin/openrunner|/usr/bin/openrunner|' "$tree/packaging/systemd/openrunner.service" >"$work/openrunner.service"
install -m 644 "$work/openrunner.service" "$root/usr/lib/systemd/system/openrunner.service"
mkdir -p "$root/usr/lib/sysusers.d" "$root/DEBIAN"
echo 'u openrunner - "OpenRunner" /var/lib/openrunner/home /usr/sbin/nologin' >"$root/usr/lib/sysusers.d/openrunner.conf"
cat >"$root/DEBIAN/control" <<CONTROL
Package: openrunner
Version: $(echo "$version" | sed 's/-/~/')
Architecture: $architecture
Maintainer: OpenRunner maintainers <openrunner@localhost>
Section: devel
Priority: optional
Installed-Size: $(du -sk "$root/usr" | cut -f 1)
${depends:+$depends
}Recommends: bubblewrap, git, ca-certificates
Description: durable HTTP service over coding agents
 Runs Claude Code, Codex, OpenCode and other coding agents behind one HTTP
 service with resumable event streams.
CONTROL
cat >"$root/DEBIAN/postinst" <<'POSTINST'
#!/bin/sh
set -e
if [ "$1" = configure ] && [ -d /run/systemd/system ]; then
    systemd-sysusers openrunner.conf
    systemctl daemon-reload
fi
POSTINST
chmod 755 "$root/DEBIAN/postinst"
find "$root" -type d -exec chmod 755 {} +
mkdir -p "$out"
file=$out/openrunner_${version}_$architecture.deb
dpkg-deb --root-owner-group -Zgzip --build "$root" "$file" >/dev/null
echo "$file"
