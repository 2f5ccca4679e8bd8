# SPDX-License-Identifier: GPL-2.0-only
#
# Completion of iscsictl(8) for bash: options, the names of active targets, of targets in the
# configuration file for -S, and the keys of -k and -G. It asks the tool itself and changes nothing.

# What compgen -W gets it expands like a command line, so only what stands for itself passes: words
# of these characters alone.  Names of targets have no others, but for those beyond ASCII.
_iscsictl_harmless()
{
	LC_ALL=C grep -x '[[:alnum:].:_-]*'
}

_iscsictl_active()
{
	iscsictl -c 2>/dev/null | sed -n 's/^TARGET: \([^,]*\),.*/\1/p' | _iscsictl_harmless
}

_iscsictl_configured()
{
	local file=/etc/chiscsi/chiscsi.conf i
	for ((i = 1; i < COMP_CWORD; i++)); do
		[[ ${COMP_WORDS[i]} == -f || ${COMP_WORDS[i]} == --file ]] && file=${COMP_WORDS[i + 1]}
	done
	[[ -f $file ]] || return
	sed -n 's/^[[:blank:]]*TargetName=\(.*[^[:blank:]]\)[[:blank:]]*$/\1/p' -- "$file" 2>/dev/null |
		_iscsictl_harmless
}

_iscsictl()
{
	local line=" ${COMP_WORDS[*]:1:COMP_CWORD-1} " word prefix='' names
	# `=` and `:` break words, so what is completed begins after the last blank.
	word=${COMP_LINE:0:COMP_POINT}
	word=${word##* }
	prefix=${word%"${COMP_WORDS[COMP_CWORD]}"}
	[[ ${COMP_WORDS[COMP_CWORD]} == [=:] ]] && prefix=$word

	case ${COMP_WORDS[COMP_CWORD-1]} in
	-f | -x | --file | --globals-from)
		mapfile -t COMPREPLY < <(compgen -f -- "$word")
		return
		;;
	esac
	case $word in
	target=*)
		if [[ $line == *' -S '* || $line == *' --start '* ]]; then
			names=$(_iscsictl_configured)
		else
			names=$(_iscsictl_active)
		fi
		mapfile -t COMPREPLY < <(compgen -P target= -W "ALL $names" -- "${word#target=}")
		;;
	state=*)
		mapfile -t COMPREPLY < <(compgen -P state= -W 'optimized non-optimized standby
			unavailable transitioning' -- "${word#state=}")
		;;
	-*)
		mapfile -t COMPREPLY < <(compgen -W '-A -c -D -f -F -g -G -h -k -r -s -S -v -W -x --access --check
			--count --drop --file --flush --globals --globals-from --help --if-exists
			--interval --json --key --sessions --set --show --start --stop --version
			--write' -- "$word")
		;;
	*)
		names='target= status top'
		[[ $line == *' -r '*' -k '* ]] && names='initiator='
		[[ $line == *' -A '* || $line == *' --access '* ]] && names='target= group= state='
		[[ $line == *' -F '*' -k '* ]] && names='lun='
		[[ $line == *' -G '* || $line == *' --set '* ]] &&
			names=$(iscsictl -g 2>/dev/null | sed -n 's/^\([[:alnum:]_]*=\).*/\1/p')
		mapfile -t COMPREPLY < <(compgen -W "$names" -- "$word")
		[[ ${COMPREPLY[0]-} == *= ]] && compopt -o nospace
		;;
	esac
	# bash replaces only what stands behind the last break.
	COMPREPLY=("${COMPREPLY[@]#"$prefix"}")
}

complete -F _iscsictl iscsictl
