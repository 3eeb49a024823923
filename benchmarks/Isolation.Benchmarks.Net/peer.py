# The same as the others, by pyroute2. usage: peer.py group|pairs COUNT PID | peer.py dump; prints the microseconds of it.
import sys, time
from pyroute2 import IPRoute

ip = IPRoute()
start = time.monotonic()
if sys.argv[1] == "group":
    count, pid = int(sys.argv[2]), int(sys.argv[3])
    for i in range(count):
        ip.link("add", ifname=f"v{i}", index=1000 + 2 * i, group=7, kind="veth", peer={"ifname": f"w{i}", "net_ns_pid": pid})
    for i in range(count):
        ip.addr("add", index=1000 + 2 * i, address=f"10.{i >> 8}.{i & 255}.1", prefixlen=24)
    ip.link("del", group=7)
elif sys.argv[1] == "pairs":
    count, pid = int(sys.argv[2]), int(sys.argv[3])
    for i in range(count):
        ip.link("add", ifname=f"v{i}", index=1000 + 2 * i, kind="veth", peer=f"w{i}")
    # It does not choose a peer's number.
    index = {link.get_attr("IFLA_IFNAME"): link["index"] for link in ip.get_links()}
    for i in range(count):
        ip.link("set", index=index[f"w{i}"], net_ns_pid=pid)
    for i in range(count):
        ip.addr("add", index=1000 + 2 * i, address=f"10.{i >> 8}.{i & 255}.1", prefixlen=24)
    for i in range(count):
        ip.link("del", index=1000 + 2 * i)
else:
    list(ip.get_links())
print(int((time.monotonic() - start) * 1e6))
