// Tests of Podman 5.4 with netavark in a guest of the lab.
import { succeed } from "../../scenarios/kit/program.ts";
import { netavarkTests } from "./netavark.ts";
import { podmanTests } from "./podman.ts";

const options = ["--subnet=192.168.1.0/24", "--gateway=192.168.1.1", "--opt=parent=eth0"];

podmanTests(
  "5.4",
  "netavark",
  () => succeed("podman", "network", "create", "--driver=ipvlan", ...options, "l2net"),
);
netavarkTests();
