#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
#
# Jump hosts: a real sshd and the ssh of this system, with a home, keys and known hosts of
# their own; every Python that is listed, as a stand-in; and hosts that do not let one in, do not
# speak, or do not come to an end. Runs itself under bats in mount and network namespaces of
# its own.
# shellcheck shell=bats disable=SC2030,SC2031,SC2016

if [[ -z ${BATS_TEST_FILENAME:-} ]]; then
	exec bash "${BASH_SOURCE[0]%/*}/rig.bash" bats "${BASH_SOURCE[0]}"
fi
bats_require_minimum_version 1.5.0

# shellcheck source-path=SCRIPTDIR source=rig.bash
source "$BATS_TEST_DIRNAME/rig.bash"

setup_file() {
	local program
	rig_isolated || rig_fail "run $BATS_TEST_FILENAME itself: it isolates itself" || return
	for program in /usr/sbin/sshd ssh ssh-keygen nft; do
		command -v "$program" >/dev/null || skip "$program is not installed"
	done
	# Of this mount namespace alone, as /etc is.
	mount -t tmpfs -o mode=755 jump-run /run && mkdir -p /run/sshd /run/netns
	mount -t tmpfs -o mode=700 jump-root /root
	printf '127.0.0.1 localhost\n%s jump.example\n' "$RIG_FAR4" >/etc/hosts
	: >/etc/resolv.conf
	echo 'hosts: files' >/etc/nsswitch.conf
	ssh-keygen -q -t ed25519 -N '' -f "$BATS_FILE_TMPDIR/host_key"
	ssh-keygen -q -t ed25519 -N '' -f "$BATS_FILE_TMPDIR/other_host_key"
	ssh-keygen -q -t ed25519 -N '' -f "$BATS_FILE_TMPDIR/key"
}

setup() {
	rig_make
	chmod 711 "$RIG_DIR"
	HOST=jump@$RIG_FAR4
	# What the jump host's user finds, and nothing of this machine beside it.
	mkdir -p "$RIG_DIR/bin" "$RIG_DIR/home"
	ln -s /bin/sh /usr/bin/id /usr/bin/head "$RIG_DIR/bin"
	chown 4711 "$RIG_DIR/home"
	login_shell /bin/sh
	cp "$BATS_FILE_TMPDIR/key.pub" "$RIG_DIR/keys"
	rm -rf /root/.ssh
	mkdir -m 700 /root/.ssh
	cp "$BATS_FILE_TMPDIR/key" /root/.ssh/id_ed25519
	printf '%s %s\n' "$RIG_FAR4" "$(cut -d ' ' -f 1,2 "$BATS_FILE_TMPDIR/host_key.pub")" >/root/.ssh/known_hosts
}

teardown() {
	rig_destroy
}

# Says what differs, so that a failing test explains itself.
expect() {
	[[ $2 == "$3" ]] || {
		printf '%s\n  expected: %s\n  got:      %s\n' "$1" "$2" "$3"
		return 1
	}
}

# login_shell PATH: of the user on the jump host.
login_shell() {
	sed -i '/^jump:/d' /etc/passwd /etc/shadow
	echo "jump:x:4711:65534::$RIG_DIR/home:$1" >>/etc/passwd
	echo 'jump:*:19000::::::' >>/etc/shadow
}

# start_sshd [LINE...]: more of its configuration
start_sshd() {
	{
		printf '%s\n' "$@"
		cat <<-END
			HostKey $BATS_FILE_TMPDIR/host_key
			PidFile none
			Port 22
			StrictModes no
			UsePAM no
			AuthorizedKeysFile $RIG_DIR/keys
			SetEnv PATH=$RIG_DIR/bin
		END
	} >"$RIG_DIR/sshd_config"
	rig_start far /usr/sbin/sshd -D -e -f "$RIG_DIR/sshd_config" 2>"$RIG_DIR/sshd.log"
	rig_wait 30 rig_listens far tcp 22
}

# python NAME VERSION: one that says so, on standard error if it is that old
python() {
	local to=1
	[[ $2 != 2.* ]] || to=2
	printf '#!/bin/sh\n[ "$1" = --version ] && echo "Python %s" >&%s\n' "$2" "$to" >"$RIG_DIR/bin/$1"
	chmod 755 "$RIG_DIR/bin/$1"
}

# listener PERL: what is done with a connection to port 22 of far.
listener() {
	rig_start far perl -MSocket -e '
		socket(my $l, PF_INET, SOCK_STREAM, 0); setsockopt($l, SOL_SOCKET, SO_REUSEADDR, 1);
		bind($l, sockaddr_in(22, INADDR_ANY)) or die; listen($l, 5);
		while (accept(my $c, $l)) { select($c); $| = 1; '"$1"' push @kept, $c }'
	rig_wait 30 rig_listens far tcp 22
}

# jump [OPTION...] HOST: runs it with --json, and keeps what it said and its exit code.
jump() {
	code=0
	rig_in appliance "$BWCTL" check --json "${@:1:$#-1}" --jumphost "${@: -1}" >"$RIG_DIR/jump.json" || code=$?
	jq -r '.findings[] | "\(.level) \(.check) \(.about): \(.text) -> \(.advice)"' "$RIG_DIR/jump.json"
	# Nothing of it is left, not even a zombie.
	! pgrep -x ssh --ns $$ --nslist mnt
}

# finding CHECK: "level text", a line each
finding() {
	jq -r --arg check "$1" '.findings[] | select(.check == $check) | "\(.level) \(.text)"' "$RIG_DIR/jump.json"
}

# fails CHECK TEXT ADVICE-PART
fails() {
	expect 'exit code' 1 "$code"
	expect "$1" "fail $2" "$(finding "$1" | tail -n 1)"
	[[ $(jq -r '.findings[-1].advice' "$RIG_DIR/jump.json") == *"$3"* ]]
}

@test "logs in, and tells every Python that is listed from every other, each once" {
	local minor
	for minor in {5..14}; do
		python "python3.$minor" "3.$minor.1"
	done
	python python2.7 2.7.18
	ln -s python2.7 "$RIG_DIR/bin/python2"
	ln -s python2.7 "$RIG_DIR/bin/python"
	ln -s python3.7 "$RIG_DIR/bin/python3"
	start_sshd 'Banner /etc/hosts'
	jump "$HOST"
	expect 'exit code' 0 "$code"
	expect 'worst' ok "$(jq -r .worst "$RIG_DIR/jump.json")"
	expect 'ssh' 'ok answers, and its host key is the known one' "$(finding ssh)"
	expect 'login' 'ok logs in as jump' "$(finding login)"
	expect 'host' "$HOST" "$(jq -r '[.findings[].about] | unique[]' "$RIG_DIR/jump.json")"
	diff <(finding python) - <<-END
		ok Python 3.7.1 (python3, python3.7) is supported
		ok Python 2.7.18 (python, python2, python2.7) is supported
		ok Python 3.5.1 (python3.5) is supported
		ok Python 3.6.1 (python3.6) is supported
		ok Python 3.8.1 (python3.8) is not supported, and is not needed
		ok Python 3.9.1 (python3.9) is not supported, and is not needed
		ok Python 3.10.1 (python3.10) is not listed: not supported, and is not needed
		ok Python 3.11.1 (python3.11) is not listed: not supported, and is not needed
		ok Python 3.12.1 (python3.12) is not listed: not supported, and is not needed
		ok Python 3.13.1 (python3.13) is not listed: not supported, and is not needed
		ok Python 3.14.1 (python3.14) is not listed: not supported, and is not needed
	END
}

@test "no Python, only an old one, only those that are not supported, and one in front that is not" {
	start_sshd
	jump "$HOST"
	fails python 'there is no Python' 'install Python 2.7, 3.5, 3.6 or 3.7'
	python python2.7 2.7.5
	jump "$HOST"
	expect 'exit code' 0 "$code"
	expect 'old' 'ok Python 2.7.5 (python2.7) is supported' "$(finding python)"
	rm "$RIG_DIR/bin/python2.7"
	python python3 3.9.2
	python python3.11 3.11.2
	jump "$HOST"
	fails python 'Python 3.11.2 (python3.11) is not listed: not supported' 'install Python'
	expect 'the other' 'fail Python 3.9.2 (python3) is not supported' "$(finding python | head -n 1)"
	python python3.6 3.6.8
	jump "$HOST"
	expect 'exit code' 0 "$code"
	expect 'in front' 'warn Python 3.9.2 (python3) is not supported' "$(finding python | head -n 1)"
	jq -e '.findings[] | select(.level == "warn").advice | test("call python3.6 by its name")' "$RIG_DIR/jump.json"
	printf '#!/bin/sh\necho broken; exit 1\n' >"$RIG_DIR/bin/python3"
	jump "$HOST"
	expect 'in front' "warn python3 does not say its version but 'broken': not supported" "$(finding python | head -n 1)"
	# A version is the first word, whatever is told behind it.
	rm "$RIG_DIR/bin/python3.11" "$RIG_DIR/bin/python3"
	python python3.6 '3.6.8 and this one is good for everything, believe me'
	jump "$HOST"
	expect 'talkative' 'ok Python 3.6.8 (python3.6) is supported' "$(finding python)"
}

@test "for people: a line each, the advice below; the host as a name, with its user from the configuration" {
	printf 'Host jump.example\nUser jump\nHostKeyAlias %s\nControlMaster auto\nControlPersist 60\nControlPath %s/control\nRemoteCommand true\n' \
		"$RIG_FAR4" "$RIG_DIR" >/root/.ssh/config
	python python3 3.8.1
	python python3.7 3.7.3
	start_sshd
	run rig_in appliance "$BWCTL" check --jumphost jump.example
	echo "$output"
	[[ $status == 0 && ${lines[0]} == 'ok    ssh          jump.example: answers'* ]]
	[[ ${lines[1]} == 'ok    login        jump.example: logs in as jump' ]]
	[[ ${lines[2]} == 'warn  python       jump.example: Python 3.8.1 (python3) is not supported' ]]
	[[ ${lines[3]} == *'-> call python3.7 by its name'* ]]
	[[ ${lines[5]} == '3 ok, 1 to look at, 0 wrong' ]]
}

@test "a key that is not taken; a host key that is not known, or another" {
	start_sshd
	ssh-keygen -q -t ed25519 -N '' -f "$RIG_DIR/another"
	cp "$RIG_DIR/another" /root/.ssh/id_ed25519
	jump "$HOST"
	expect 'ssh' 'ok answers, and its host key is the known one' "$(finding ssh)"
	[[ $(finding login) == 'fail permission denied; it takes: publickey,password'* ]]
	fails login "$(finding login | cut -d ' ' -f 2-)" "ssh-copy-id $HOST"
	# The one that would be taken, but for who may read it.
	cp "$BATS_FILE_TMPDIR/key" /root/.ssh/id_ed25519
	chmod 644 /root/.ssh/id_ed25519
	jump "$HOST"
	fails login 'permission denied; a private key here can be read by others, so ssh does not use it' 'chmod 600'
	chmod 600 /root/.ssh/id_ed25519
	rm /root/.ssh/known_hosts
	jump "$HOST"
	fails host-key 'its host key is not known here' "ssh $HOST once"
	expect 'known hosts' '' "$(cat /root/.ssh/known_hosts 2>/dev/null)"
	printf '%s %s\n' "$RIG_FAR4" "$(cut -d ' ' -f 1,2 "$BATS_FILE_TMPDIR/other_host_key.pub")" >/root/.ssh/known_hosts
	jump "$HOST"
	fails host-key 'its host key is another than the known one: it was installed anew, or somebody is in between' "ssh-keygen -R $RIG_FAR4, then ssh $HOST once"
	# A passphrase is not asked for.
	ssh-keygen -q -p -N secret -f /root/.ssh/id_ed25519
	printf '%s %s\n' "$RIG_FAR4" "$(cut -d ' ' -f 1,2 "$BATS_FILE_TMPDIR/host_key.pub")" >/root/.ssh/known_hosts
	jump "$HOST"
	[[ $(finding login) == 'fail permission denied; it takes: '* ]]
}

@test "its host key is the known one, whatever the configuration lets pass; nothing is written" {
	python python3.7 3.7.3
	start_sshd
	printf 'StrictHostKeyChecking no\nUpdateHostKeys yes\n' >/root/.ssh/config
	printf '%s %s\n' "$RIG_FAR4" "$(cut -d ' ' -f 1,2 "$BATS_FILE_TMPDIR/other_host_key.pub")" >/root/.ssh/known_hosts
	cp /root/.ssh/known_hosts "$RIG_DIR/known"
	jump "$HOST"
	fails host-key 'its host key is another than the known one: it was installed anew, or somebody is in between' "ssh-keygen -R $RIG_FAR4,"
	expect 'findings' 1 "$(jq '.findings | length' "$RIG_DIR/jump.json")"
	cmp "$RIG_DIR/known" /root/.ssh/known_hosts
	echo 'StrictHostKeyChecking accept-new' >/root/.ssh/config
	: >/root/.ssh/known_hosts
	jump "$HOST"
	fails host-key 'its host key is not known here' "ssh $HOST once"
	expect 'known hosts' '' "$(cat /root/.ssh/known_hosts)"
	chmod 666 /root/.ssh/config
	jump "$HOST"
	fails ssh 'a configuration of ssh on this machine can be written by others, so ssh does not start' 'chmod 600'
}

@test "a connection of its own, not one that is there; and no agent goes with it" {
	python python3.7 3.7.3
	start_sshd
	printf 'ControlPath %s/master\nForwardAgent yes\n' "$RIG_DIR" >/root/.ssh/config
	rig_start appliance ssh -N -o ControlMaster=yes "$HOST"
	rig_wait 30 test -S "$RIG_DIR/master"
	# The connection that is there would not be asked for its key.
	mv /root/.ssh/known_hosts "$RIG_DIR/known"
	run -1 rig_in appliance "$BWCTL" check --jumphost "$HOST"
	echo "$output"
	[[ ${lines[0]} == "fail  host-key     $HOST: its host key is not known here" ]]
	rig_stop "$RIG_PID"
	mv "$RIG_DIR/known" /root/.ssh/known_hosts
	rig_start appliance ssh-agent -D -a "$RIG_DIR/agent"
	rig_wait 30 test -S "$RIG_DIR/agent"
	printf '#!/bin/sh\necho "Python 3.7.1${SSH_AUTH_SOCK:+99}"\n' >"$RIG_DIR/bin/python3.7"
	expect 'by hand' 'Python 3.7.199' "$(SSH_AUTH_SOCK=$RIG_DIR/agent rig_in appliance ssh -o ControlPath=none "$HOST" python3.7)"
	SSH_AUTH_SOCK=$RIG_DIR/agent jump "$HOST"
	expect 'no agent' 'ok Python 3.7.1 (python3.7) is supported' "$(finding python)"
}

@test "ended by a signal, it ends all that ssh has started" {
	local signal pid
	printf 'ProxyCommand sh -c "echo \\$\\$ >%s/proxy; trap : TERM HUP INT; while :; do sleep 0.2; done"\n' "$RIG_DIR" >/root/.ssh/config
	for signal in INT TERM HUP; do
		rm -f "$RIG_DIR/proxy"
		# What is started in the background ignores SIGINT, unless it is told otherwise.
		rig_start appliance env --default-signal=INT,HUP "$BWCTL" check --jumphost "$HOST" >"$RIG_DIR/said"
		rig_wait 30 test -s "$RIG_DIR/proxy"
		pid=$(<"$RIG_DIR/proxy")
		rig_alive "$pid"
		kill -"$signal" "$RIG_PID"
		code=0
		wait "$RIG_PID" || code=$?
		expect 'exit code' $((128 + $(kill -l "$signal"))) "$code"
		rig_wait 30 eval "! rig_alive $pid"
		expect 'said' '' "$(<"$RIG_DIR/said")"
	done
}

@test "too many keys before the right one" {
	local i
	start_sshd 'MaxAuthTries 2'
	rm /root/.ssh/id_ed25519
	for i in 1 2 3 4; do
		ssh-keygen -q -t ed25519 -N '' -f "$RIG_DIR/key$i"
		echo "IdentityFile $RIG_DIR/key$i" >>/root/.ssh/config
	done
	jump "$HOST"
	fails login 'refuses after too many keys, before the right one' "for $RIG_FAR4 in ~/.ssh/config: IdentityFile FILE, IdentitiesOnly yes"
}

@test "not reached: refused, filtered, absent, no route, no such name" {
	jump "$HOST"
	fails ssh 'refuses the connection' 'start sshd'
	rig_in far nft 'add table inet away; add chain inet away in { type filter hook input priority 0; }; add rule inet away in tcp dport 22 drop'
	jump --timeout 4s "$HOST"
	fails ssh 'does not answer' 'TCP appliance >1024 -> HOST 22'
	jump jump@192.0.2.77
	fails ssh 'there is no route to it' 'ip route get'
	jump jump@203.0.113.9
	fails ssh 'there is no route to it' 'routes'
	jump nohost.example
	fails ssh 'the name does not resolve' 'DNS'
}

@test "no SSH: a host that accepts and says nothing, says something else, or closes; other algorithms" {
	local started=$SECONDS
	listener ''
	jump --timeout 4s "$HOST"
	fails ssh 'accepts the connection, and does not say anything' 'sshd hangs'
	((SECONDS - started < 20))
	rig_stop "$RIG_PID"
	listener 'print "HTTP/1.0 400 Bad Request\r\n\r\n" x 2000;'
	jump "$HOST"
	fails ssh 'something else than SSH listens on that port' 'port'
	rig_stop "$RIG_PID"
	listener 'close $c;'
	jump "$HOST"
	expect 'exit code' 1 "$code"
	[[ $(finding ssh) =~ ^'fail '(closes|resets)' the connection'$ ]]
	rig_stop "$RIG_PID"
	listener 'print "SSH-1.5-old\r\n"; sleep 1; close $c;'
	jump "$HOST"
	fails ssh 'speaks another version of the protocol' 'update'
	rig_stop "$RIG_PID"
	start_sshd 'KexAlgorithms diffie-hellman-group1-sha1'
	jump "$HOST"
	fails ssh 'has no algorithm in common with the ssh of this system' 'older algorithms'
}

@test "a shell that hangs after the login, a Python that hangs, and a host that hangs in between: ended in time" {
	local started
	printf '#!/bin/sh\nexec sleep 300\n' >"$RIG_DIR/home/shell"
	chmod 755 "$RIG_DIR/home/shell"
	login_shell "$RIG_DIR/home/shell"
	ln -s /bin/sleep "$RIG_DIR/bin/sleep"
	start_sshd
	started=$SECONDS
	jump --timeout 8s "$HOST"
	fails login 'logs in, and then nothing is run in time: its shell, or a file that the shell reads, or a Python hangs' 'hangs'
	((SECONDS - started < 20))
	login_shell /bin/sh
	printf '#!/bin/sh\nexec sleep 300\n' >"$RIG_DIR/bin/python3.6"
	chmod 755 "$RIG_DIR/bin/python3.6"
	jump --timeout 8s "$HOST"
	fails login "$(finding login | tail -n 1 | cut -d ' ' -f 2-)" 'hangs'
	# A banner, and then nothing.
	rig_stop "$RIG_PID"
	listener 'print "SSH-2.0-OpenSSH_9.2\r\n";'
	jump --timeout 8s "$HOST"
	expect 'exit code' 1 "$code"
	[[ $(finding ssh) == fail* ]]
}

@test "noise of a shell's files, a shell that is not like sh, one that runs nothing, and output without end" {
	python python3.7 3.7.3
	start_sshd
	login_shell /bin/bash
	printf 'printf "welcome python3 Python 3.9.9, no newline"\necho warning >&2\n' >"$RIG_DIR/home/.bashrc"
	jump "$HOST"
	expect 'noise' 'ok Python 3.7.3 (python3.7) is supported' "$(finding python)"
	expect 'exit code' 0 "$code"
	if [[ -x /usr/bin/tcsh ]]; then
		login_shell /usr/bin/tcsh
		echo 'echo hello from csh' >"$RIG_DIR/home/.cshrc"
		jump "$HOST"
		expect 'csh' 'ok Python 3.7.3 (python3.7) is supported' "$(finding python)"
	fi
	login_shell /usr/sbin/nologin
	jump "$HOST"
	fails login 'logs in, and commands are not run: the shell ended with exit status 1' 'login shell'
	printf '#!/bin/sh\nwhile :; do echo yes; done\n' >"$RIG_DIR/home/shell"
	chmod 755 "$RIG_DIR/home/shell"
	login_shell "$RIG_DIR/home/shell"
	jump --timeout 8s "$HOST"
	fails login "$(finding login | tail -n 1 | cut -d ' ' -f 2-)" 'hangs'
}

@test "no ssh on this machine; hosts that ssh would take for something else are refused" {
	local host
	mkdir "$RIG_DIR/empty"
	run -1 rig_in appliance env PATH="$RIG_DIR/empty" "$BWCTL" check --jumphost "$HOST"
	[[ $output == *'there is no ssh on this machine'*'install openssh-client'* ]]
	for host in -oProxyCommand=true jump@-x '' 'a b' $'a\nb' 'x;true' '$(true)' '`true`' @host host@ \
		"$RIG_FAR4:22" "$HOST:22" '[2001:db8::1]:22' ssh://host http://host 192.0.2.0/24; do
		run -2 rig_in appliance "$BWCTL" check --jumphost "$host"
		echo "$output"
		[[ $output == "bwctl: check: jumphost '"* ]]
	done
	run -2 rig_in appliance "$BWCTL" check --jumphost "$HOST:22"
	[[ ${lines[0]} == "bwctl: check: jumphost '$HOST:22': a port belongs into ~/.ssh/config" ]]
	run -2 rig_in appliance "$BWCTL" check --jumphost http://host
	[[ ${lines[0]} == "bwctl: check: jumphost 'http://host': expected HOST or USER@HOST, without http://" ]]
	run -2 rig_in appliance "$BWCTL" check --jumphost 192.0.2.0/24
	[[ ${lines[0]} == "bwctl: check: jumphost '192.0.2.0/24': a range is not taken: expected one host" ]]
}
