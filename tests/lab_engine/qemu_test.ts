// Tests of the engine `qemu`: a few here, and all of them in `deno task test:kernels`.
import { contract } from "./contract.ts";

contract("qemu", { brief: Deno.env.get("LAB_CONTRACT") !== "all" });
