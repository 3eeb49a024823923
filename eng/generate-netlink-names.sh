#!/bin/sh
# Writes src/Isolation.Net/Netlink/AttributeNames.g.cs from the headers of a kernel: the names of netlink attributes, by their numbers.
# Usage: eng/generate-netlink-names.sh INCLUDE_DIR VERSION, where INCLUDE_DIR is the usr/include of an unpacked linux-libc-dev.
set -eu
include=$1
version=$2
output=$(dirname "$0")/../src/Isolation.Net/Netlink/AttributeNames.g.cs
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Each line: the C# name, the header, and an enumerator of the enumeration that is wanted.
cat > "$work/spaces" <<'EOF'
Link linux/if_link.h IFLA_UNSPEC
LinkInfo linux/if_link.h IFLA_INFO_UNSPEC
Bridge linux/if_link.h IFLA_BR_UNSPEC
BridgePort linux/if_link.h IFLA_BRPORT_UNSPEC
Vlan linux/if_link.h IFLA_VLAN_UNSPEC
Macvlan linux/if_link.h IFLA_MACVLAN_UNSPEC
Ipvlan linux/if_link.h IFLA_IPVLAN_UNSPEC
Vrf linux/if_link.h IFLA_VRF_UNSPEC
Vxlan linux/if_link.h IFLA_VXLAN_UNSPEC
Veth linux/veth.h VETH_INFO_UNSPEC
Inet6 linux/if_link.h IFLA_INET6_UNSPEC
Address linux/if_addr.h IFA_UNSPEC
Route linux/rtnetlink.h RTA_UNSPEC
Metrics linux/rtnetlink.h RTAX_UNSPEC
Neighbour linux/neighbour.h NDA_UNSPEC
Rule linux/fib_rules.h FRA_UNSPEC
Nexthop linux/nexthop.h NHA_UNSPEC
Tc linux/rtnetlink.h TCA_UNSPEC
Tbf linux/pkt_sched.h TCA_TBF_UNSPEC
Htb linux/pkt_sched.h TCA_HTB_UNSPEC
FqCodel linux/pkt_sched.h TCA_FQ_CODEL_UNSPEC
Netem linux/pkt_sched.h TCA_NETEM_UNSPEC
U32 linux/pkt_cls.h TCA_U32_UNSPEC
Flower linux/pkt_cls.h TCA_FLOWER_UNSPEC
Matchall linux/pkt_cls.h TCA_MATCHALL_UNSPEC
Bpf linux/pkt_cls.h TCA_BPF_UNSPEC
Cgroup linux/pkt_cls.h TCA_CGROUP_UNSPEC
Action linux/pkt_cls.h TCA_ACT_UNSPEC
Police linux/pkt_cls.h TCA_POLICE_UNSPEC
Mirred linux/tc_act/tc_mirred.h TCA_MIRRED_UNSPEC
Skbedit linux/tc_act/tc_skbedit.h TCA_SKBEDIT_UNSPEC
Gact linux/tc_act/tc_gact.h TCA_GACT_UNSPEC
NftTable linux/netfilter/nf_tables.h NFTA_TABLE_UNSPEC
NftChain linux/netfilter/nf_tables.h NFTA_CHAIN_UNSPEC
NftHook linux/netfilter/nf_tables.h NFTA_HOOK_UNSPEC
NftRule linux/netfilter/nf_tables.h NFTA_RULE_UNSPEC
NftList linux/netfilter/nf_tables.h NFTA_LIST_UNSPEC
NftExpression linux/netfilter/nf_tables.h NFTA_EXPR_UNSPEC
NftSet linux/netfilter/nf_tables.h NFTA_SET_UNSPEC
NftSetDescription linux/netfilter/nf_tables.h NFTA_SET_DESC_UNSPEC
NftElementList linux/netfilter/nf_tables.h NFTA_SET_ELEM_LIST_UNSPEC
NftElement linux/netfilter/nf_tables.h NFTA_SET_ELEM_UNSPEC
NftObject linux/netfilter/nf_tables.h NFTA_OBJ_UNSPEC
NftData linux/netfilter/nf_tables.h NFTA_DATA_UNSPEC
NftVerdict linux/netfilter/nf_tables.h NFTA_VERDICT_UNSPEC
EOF

{
  printf '#include <stdio.h>\n'
  cut -d' ' -f2 "$work/spaces" | sort -u | sed 's/.*/#include <&>/'
  printf 'int main(void) {\n'
  while read -r space header first; do
    # The enumeration that has the enumerator: its own names, without the ends and what stands only for counting.
    sed 's://.*$::; s:/\*.*\*/::; s:/\*.*$::; s:^.*\*/::' "$include/$header" | awk -v first="$first" '
      /enum[ \t]*[a-zA-Z0-9_]*[ \t]*\{/ { inside = 1; names = ""; found = 0; next }
      inside && /\}/ { if (found) { print names; exit } inside = 0 }
      inside && match($0, /^[ \t]*[A-Za-z_][A-Za-z0-9_]*/) {
        name = substr($0, RSTART, RLENGTH); gsub(/[ \t]/, "", name)
        if (name == first) found = 1
        if (name !~ /^__/ && name !~ /_MAX$/) names = names " " name
      }' | tr ' ' '\n' | sed '/^$/d' | while read -r name; do
      printf 'printf("%%d %s %s\\n", %s);\n' "$space" "$name" "$name"
    done
  done < "$work/spaces"
  printf 'return 0; }\n'
} > "$work/names.c"
gcc -w -nostdinc -isystem "$include" -isystem "$include/$(gcc -dumpmachine)" -isystem /usr/include -isystem "/usr/include/$(gcc -dumpmachine)" \
  -isystem "$(gcc -print-file-name=include)" -o "$work/names" "$work/names.c"
{
  printf '// Linux %s. Made by eng/generate-netlink-names.sh from linux-libc-dev; not edited by hand.\n' "$version"
  printf 'namespace Isolation.Net;\n\ninternal static class AttributeNames\n{\n'
  "$work/names" | awk '
    $2 != space { if (space != "") flush(); space = $2; max = -1; delete name }
    { if (!($1 in name)) name[$1] = $3; if ($1 > max) max = $1 }
    END { flush() }
    function flush(i) {
      printf "    internal static readonly string[] %s =\n    [\n", space
      for (i = 0; i <= max; i++) printf "        \"%s\",\n", name[i]
      printf "    ];\n"
    }'
  printf '}\n'
} > "$output"
