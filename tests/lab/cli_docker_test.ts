/**
 * Lines that people have typed for Docker for years, as `ipvlan` takes them.
 */
import { assertEquals, assertStringIncludes } from "@std/assert";
import { ipvlan } from "../kit/command.ts";
import { inEnv } from "../kit/processes.ts";
import { commandHost } from "../kit/worlds.ts";

/** The lines of the guide that run something, with the networks that they need. */
const GUIDE = `
docker network create -d ipvlan --subnet=192.168.1.0/24 --gateway=192.168.1.1 -o ipvlan_mode=l2 -o parent=eth0 db_net
docker run --net=db_net -it --rm alpine /bin/sh
docker network rm db_net
docker network create -d ipvlan --subnet=192.168.1.0/24 -o parent=eth0 db_net_ipv
docker run --net=db_net_ipv --name=ipv1 -itd alpine /bin/sh
docker run --net=db_net_ipv --name=ipv2 -it --rm alpine /bin/sh
docker network create -d ipvlan --subnet=192.168.10.0/24 isolated1
docker network create -d ipvlan --subnet=192.168.11.0/24 --internal isolated2
docker network create -d ipvlan isolated3
docker run --net=isolated1 --name=cid1 -it --rm alpine /bin/sh
docker run --net=isolated2 --name=cid2 -it --rm alpine /bin/sh
docker run --net=isolated3 --name=cid3 -it --rm alpine /bin/sh
docker network create -d ipvlan --subnet=192.168.20.0/24 --gateway=192.168.20.1 -o parent=eth0.20 ipvlan20
docker run --net=ipvlan20 -it --name ivlan_test1 --rm alpine /bin/sh
docker run --net=ipvlan20 -it --name ivlan_test2 --rm alpine /bin/sh
docker network create -d ipvlan --subnet=192.168.114.0/24 --subnet=192.168.116.0/24 --gateway=192.168.114.254 --gateway=192.168.116.254 -o parent=eth0.114 -o ipvlan_mode=l2 ipvlan114
docker run --net=ipvlan114 --ip=192.168.114.10 -it --rm alpine /bin/sh
docker run --net=ipvlan114 --ip=192.168.114.11 -it --rm alpine /bin/sh
docker network create -d ipvlan --subnet=192.168.214.0/24 --subnet=10.1.214.0/24 -o ipvlan_mode=l3 ipnet210
docker run --net=ipnet210 --ip=192.168.214.10 -itd alpine /bin/sh
docker run --net=ipnet210 --ip=10.1.214.10 -itd alpine /bin/sh
docker run --net=ipnet210 --ip=192.168.214.9 -it --rm alpine ping -c 2 10.1.214.10
docker run --net=ipnet210 --ip=10.1.214.9 -it --rm alpine ping -c 2 192.168.214.10
docker network create -d ipvlan --subnet=2001:db8:abc2::/64 --gateway=2001:db8:abc2::22 -o parent=eth0.139 v6ipvlan139
docker run --net=v6ipvlan139 -it --rm alpine /bin/sh
docker run --net=v6ipvlan139 --ip6=2001:db8:abc2::51 -it --rm alpine /bin/sh
docker network rm ipvlan114
docker exec -it ipv1 /bin/sh
docker exec -it ipv1 ping -c 1 ipv1
`.trim().split("\n");

Deno.test("the guide's lines run as they stand, images included, after sed s/docker/ipvlan/", async () => {
  await using _host = await commandHost();
  for (const line of GUIDE) {
    const words = line.replace("docker", "ipvlan").split(" ").slice(1);
    const { status, err } = await ipvlan("--image", ...words);
    assertEquals([line, status, err], [line, 0, ""]);
  }
});

Deno.test("an image is explained, and dropped where that is asked for", async () => {
  await using host = await commandHost();
  await ipvlan("network", "create", "n");
  const before = await host.dump();
  const words = ["--net=n", "-i", "--rm", "alpine", "sh", "-c", "exit 7"];
  const explained = await ipvlan("run", ...words);
  assertEquals(explained.status, 127);
  assertStringIncludes(explained.err, 'The command "alpine" cannot be run: it looks like an image');
  assertEquals((await ipvlan("run", "--image", ...words)).status, 7);
  assertEquals((await ipvlan("--image", "container", "run", ...words)).status, 7);
  using _variable = inEnv("IPVLAN_IGNORE_IMAGE", "1");
  assertEquals((await ipvlan("run", ...words)).status, 7);
  assertEquals(await host.dump(), before);
});
