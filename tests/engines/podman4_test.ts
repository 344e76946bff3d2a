// Tests of Podman 4.3 with CNI in a guest of the lab.
import { writeNetwork } from "./cni.ts";
import { podmanTests } from "./podman.ts";

podmanTests("4.3", "cni", () => writeNetwork("1.0.0"));
