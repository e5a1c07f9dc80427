import { assertEquals } from "@std/assert";
import { isLoopback, networkOf } from "../../lib/core/address.ts";

Deno.test("networkOf() returns an IPv4 address as it is, and of an IPv6 address its /64", () => {
  const cases: readonly [address: string, network: string][] = [
    ["192.0.2.1", "192.0.2.1"],
    ["127.0.0.1", "127.0.0.1"],
    ["unix", "unix"],
    ["unknown", "unknown"],
    ["", ""],
    ["::ffff:192.0.2.1", "192.0.2.1"],
    ["64:ff9b::192.0.2.1", "192.0.2.1"],
    ["64:ff9b::c000:202", "192.0.2.2"],
    ["64:ff9b:1::c000:202", "64:ff9b:1::/64"],
    ["::FFFF:192.0.2.1", "192.0.2.1"],
    ["::ffff:c000:201", "192.0.2.1"],
    ["0:0:0:0:0:ffff:192.0.2.1", "192.0.2.1"],
    ["::ffff:0:192.0.2.1", "::ffff:0:192.0.2.1"],
    ["::192.0.2.1", "::192.0.2.1"],
    ["2001:db8::1", "2001:db8::/64"],
    ["2001:db8:0:0:1::", "2001:db8::/64"],
    ["2001:db8::ffff:ffff:ffff:ffff", "2001:db8::/64"],
    ["2001:DB8:0000:0000:0000:0000:0000:0002", "2001:db8::/64"],
    ["2001:db8:0:1::1", "2001:db8:0:1::/64"],
    ["2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"],
    ["2001:db8:1::2:3:4:5", "2001:db8:1::/64"],
    ["1:2:3:4:5:6:7::", "1:2:3:4::/64"],
    ["::2:3:4:5:6:7:8", "0:2:3:4::/64"],
    ["::1", "::1"],
    ["::", "::"],
    ["fe80::1%eth0", "fe80::/64"],
    ["1:2:3", "1:2:3"],
    ["1:2:3:4:5:6:7:8:9", "1:2:3:4:5:6:7:8:9"],
    ["1::fffff", "1::fffff"],
    ["not:an:address::", "not:an:address::"],
  ];
  for (const [address, network] of cases) assertEquals(networkOf(address), network, address);
});

Deno.test("isLoopback() knows this machine's own addresses", () => {
  const own = ["localhost", "127.0.0.1", "127.255.0.9", "::1", "::ffff:127.0.0.1"];
  const others = [
    "",
    "0.0.0.0",
    "::",
    "128.0.0.1",
    "127.evil.example",
    "127.0.0.1.example",
    "a.localhost",
  ];
  assertEquals(own.filter(isLoopback), own);
  assertEquals(others.filter(isLoopback), []);
});
