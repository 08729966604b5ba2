#!/bin/sh
# fresh.sh - shows that both commands of the README work on a fresh Debian.
#
# Makes a root with nothing but a minimal Debian and git, clones what is
# committed here into it, and there: ./run --background, fetch the page, edit
# a file of each kind, fetch it again, ./run --stop, make install, ./run test.
# Everything happens in mount and process namespaces of its own, so nothing is
# left behind. For root, with debootstrap.

set -eu

usage() {
    cat <<'END'
usage: scripts/fresh.sh 12|13 [--user] [--keep]

  --user   run both commands as a user with sudo, not as root
  --keep   leave the root where it is, and say where

Environment: MIRROR (default: where this machine's apt gets Debian from),
TMPDIR (default /var/tmp). Settings of apt that the host needs to reach the mirror, and its
own certificates, are taken over.
END
}

say() {
    printf 'fresh: %s\n' "$*"
}

die() {
    printf 'fresh: %s\n' "$*" >&2
    exit 1
}

# Where this machine's apt gets Debian itself from.
apt_mirror() {
    apt-get indextargets --format '$(REPO_URI)' |
        sed -n '\,/debian/*$,{s,/*$,,;p;q;}'
}

# --- the root --------------------------------------------------------------

make_root() {
    say "Debian $release ($suite) in $root"
    debootstrap --variant=minbase --include=git,ca-certificates "$suite" \
        "$root" "$mirror" >"$root.log" 2>&1 ||
        die "debootstrap failed: $(tail -n 1 "$root.log") ($root.log)"
    rm -f "$root.log"
}

copy_settings() {
    grep -l -s Acquire /etc/apt/apt.conf /etc/apt/apt.conf.d/* |
        while read -r file; do
            cp "$file" "$root/etc/apt/apt.conf.d/"
        done
    cp /etc/resolv.conf /etc/hosts "$root/etc/"
    cat >"$root/etc/apt/sources.list" <<END
deb $mirror $suite main
deb $mirror $suite-updates main
deb ${mirror%/debian}/debian-security $suite-security main
END
    rm -rf "$root"/var/lib/apt/lists/*
    if ls /usr/local/share/ca-certificates/*.crt >/dev/null 2>&1; then
        cp /usr/local/share/ca-certificates/*.crt \
            "$root/usr/local/share/ca-certificates/"
        inside root / update-ca-certificates >/dev/null 2>&1
    fi
}

# A user with sudo, as the installer of Debian makes one.
add_user() {
    inside root / sh -c 'apt-get update && apt-get install -y sudo &&
        useradd --create-home --shell /bin/sh --groups sudo ann &&
        echo "ann ALL=(ALL) NOPASSWD: ALL" >/etc/sudoers.d/ann' \
        >/dev/null 2>&1 || die "could not make a user with sudo"
}

clone() {
    git -c safe.directory='*' clone --quiet --no-hardlinks "$here" \
        "$root$checkout"
    inside root / chown -R "$user:" "$checkout"
}

# inside USER DIRECTORY COMMAND...: with an environment like after a login.
# Not with chroot: the kernel then allows no user namespaces, which tests make.
inside() {
    who=$1
    where=$2
    shift 2
    home=/root
    [ "$who" = root ] || home=/home/$who
    # shellcheck disable=SC2016 # the inner shell expands it
    env -i HOME="$home" USER="$who" LANG=C.UTF-8 TERM=dumb \
        PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin \
        ${http_proxy:+http_proxy="$http_proxy"} \
        ${https_proxy:+https_proxy="$https_proxy"} \
        unshare --mount \
        sh -c 'cd "$0" && pivot_root . . && umount -l . && exec "$@"' "$root" \
        setpriv --reuid "$who" --regid "$who" --init-groups \
        sh -c 'cd "$0" && exec "$@"' "$where" "$@"
}

# --- what is tried ---------------------------------------------------------

here_in_root() {
    inside "$user" "$checkout" "$@"
}

fetch() {
    here_in_root /usr/bin/python3 -c "import urllib.request as u
print(u.urlopen('http://127.0.0.1:$port/', timeout=30).read().decode())"
}

# edit FILE OLD NEW SHOWN: the next page shows SHOWN, which no page did before.
edit() {
    if fetch | grep -q -F "$4"; then
        fail "the page shows '$4' before $1 was edited"
    fi
    here_in_root sed -i "s/$2/$3/" "examples/site/$1"
    if fetch | grep -q -F "$4"; then
        say "ok: $1 edited, the page shows it"
    else
        fail "$1 was edited and the page does not show '$4'"
    fi
}

fail() {
    say "FAILED: $*"
    failed=yes
}

# A port that nothing listens on; the network is the host's.
choose_port() {
    port=8080
    while grep -q -i ":$(printf %04X "$port") .* 0A " /proc/net/tcp \
        /proc/net/tcp6; do
        port=$((port + 1))
    done
}

try_site() {
    choose_port
    if ! here_in_root ./run --yes --background --port "$port"; then
        fail "./run"
        return
    fi
    say "ok: ./run is up"
    edit hello.py 'It works' 'It reloads' 'It reloads'
    edit greeting.py '{name}!' '{name}, again!' 'world, again!'
    edit words.py 'Hola' 'Buenas' 'Buenas, world'
    edit shop/__init__.py 'Coffee and cake' 'Tea and cake' 'Tea and cake: 6.20'
    edit shop/basket.py 'return sum' 'return 10 + sum' '16.20'
    edit shop/prices.py '3.40' '5.40' '18.20'
    if here_in_root ./run --stop --port "$port" && ! fetch >/dev/null 2>&1
    then
        say "ok: ./run --stop"
    else
        fail "./run --stop"
    fi
}

try_tests() {
    if here_in_root ./run test --yes; then
        say "ok: ./run test"
    else
        fail "./run test"
    fi
}

# What make install leaves behind, in Debian's own Apache.
try_install() {
    choose_port
    inside root / apt-get install -y -q apache2 >/dev/null 2>&1
    here_in_root make -s WERROR=1 >/dev/null
    inside root "$checkout" make -s install >/dev/null
    echo "Listen 127.0.0.1:$port" >"$root/etc/apache2/ports.conf"
    cat >"$root/etc/apache2/conf-enabled/fresh.conf" <<'END'
ServerName localhost
<Location />
    SetHandler mod_python
    PythonHandler /srv/installed.py
</Location>
END
    cat >"$root/srv/installed.py" <<'END'
from mod_python import apache

def handler(req):
    req.write("installed: " + apache.interpreter)
    return apache.OK
END
    if inside root / a2enmod --quiet python &&
        inside root / apachectl start &&
        fetch | grep -q -F 'installed: main_interpreter'; then
        say "ok: make install, a2enmod python"
    else
        fail "make install, a2enmod python"
    fi
    inside root / apachectl stop
}

# In the namespaces.
try_everything() {
    mount --bind "$root" "$root"
    mount -t proc proc "$root/proc"
    mount --rbind /dev "$root/dev"
    copy_settings
    user=root
    checkout=/root/mod_python
    if [ -n "$as_user" ]; then
        user=ann
        checkout=/home/ann/mod_python
        add_user
    fi
    clone
    failed=
    try_site
    try_install
    try_tests
    [ -z "$failed" ] || die "Debian $release: not everything worked"
    say "Debian $release: everything worked (as $user)"
}

# --- from outside ----------------------------------------------------------

clean_up() {
    if [ -n "$keep" ]; then
        say "kept: $root"
    else
        rm -rf --one-file-system "$root" "$root.log"
    fi
}

main() {
    keep=
    as_user=
    release=
    root=
    for argument; do
        case $argument in
        12) release=12 suite=bookworm ;;
        13) release=13 suite=trixie ;;
        --user) as_user=yes ;;
        --keep) keep=yes ;;
        --in=*) root=${argument#--in=} ;;
        --help | -h) usage && exit 0 ;;
        *) die "$argument is not understood; see scripts/fresh.sh --help" ;;
        esac
    done
    [ -n "$release" ] || { usage >&2 && exit 1; }
    here=$(dirname "$(dirname "$(readlink -f "$0")")")
    mirror=${MIRROR:-$(apt_mirror)}
    if [ -n "$root" ]; then
        try_everything
        exit
    fi
    [ -n "$mirror" ] || die "apt knows no Debian mirror here; give MIRROR"
    [ "$(id -u)" = 0 ] || die "only root can make a root"
    command -v debootstrap >/dev/null || die "install debootstrap first"
    root=$(mktemp -d "${TMPDIR:-/var/tmp}/fresh-$release.XXXXXX")
    chmod 755 "$root"
    trap clean_up EXIT
    trap 'exit 130' INT TERM
    make_root
    # The namespaces end with this command, and all that runs in them.
    unshare --mount --pid --fork --kill-child --mount-proc \
        "$here/scripts/fresh.sh" "--in=$root" "$@"
}

main "$@"
