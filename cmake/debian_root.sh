#!/bin/bash
# Small Debian systems of other releases, to build and test against their GDAL.
#
#   cmake/debian_root.sh make SUITE PACKAGE...   makes the root unless it is there; prints its folder
#   cmake/debian_root.sh run FOLDER COMMAND...   runs a command in it
#
# Roots are kept in $STREAMTIFF_ROOTS (else in the user's cache folder), keyed by suite, packages and
# mirror; delete the folder to renew them. Needs mmdebstrap, and root or unprivileged user namespaces.
set -euo pipefail

roots=${STREAMTIFF_ROOTS:-${XDG_CACHE_HOME:-${HOME:-/tmp}/.cache}/streamtiff/roots}

# A name space of our own, in which we are root and whose mounts nobody else sees.
private=(unshare --mount)
[ "$(id -u)" -eq 0 ] || private=(unshare --user --map-root-user --map-auto --mount)

# The mirror that this machine itself installs from.
mirror() {
    local codename
    codename=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
    apt-get indextargets --format '$(REPO_URI) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' |
        awk -v codename="$codename" '$2 == codename && $3 == "main" && $1 ~ /debian/ { print $1; exit }'
}

# This machine's proxies and download settings, which a root needs as well.
host_apt_options() {
    apt-config dump | grep -E '^Acquire::((http|https|ftp)::[^ ]*[Pp]roxy[^ ]*|Retries|Check-[^ ]*) "[^"]+";$' || true
}

make_root() {
    local suite=$1
    shift
    local uri key target options=(--aptopt='Acquire::Check-Valid-Until "false"')
    uri=$(mirror)
    key=$(echo "$suite $uri $*" | sha256sum | cut -c 1-12)
    target=$roots/$suite-$key
    if [ ! -d "$target" ]; then
        while read -r option; do
            [ -z "$option" ] || options+=("--aptopt=$option")
        done < <(host_apt_options)
        mkdir -p "$roots"
        chmod 755 "$roots"
        local part
        part=$(mktemp -d "$roots/part.XXXXXX")
        chmod 755 "$part"
        # shellcheck disable=SC2064
        trap "'${private[0]}' ${private[*]:1} rm -rf --one-file-system '$part'" EXIT
        mmdebstrap --variant=apt --format=tar --include="$(IFS=,; echo "$*")" "${options[@]}" \
            --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
            --dpkgopt='path-exclude=/usr/share/locale/*' "$suite" - ${uri:+"$uri"} </dev/null |
            "${private[@]}" tar -xf - -C "$part" --exclude='./dev/*'
        mv -T "$part" "$target"
        trap - EXIT
    fi
    echo "$target"
}

run_in_root() {
    local folder=$1
    shift
    "${private[@]}" bash -c '
        folder=$1
        shift
        for dir in dev proc sys; do
            mount --rbind "/$dir" "$folder/$dir" || echo "no /$dir in $folder" >&2
        done
        exec chroot "$folder" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/tmp LC_ALL=C.UTF-8 "$@"
    ' bash "$folder" "$@"
}

case ${1:-} in
make) shift && make_root "$@" ;;
run) shift && run_in_root "$@" ;;
*) sed -n '2,5s/^# \{0,1\}//p' "$0" >&2 && exit 2 ;;
esac
