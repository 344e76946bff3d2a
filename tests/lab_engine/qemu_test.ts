// QEMU on this machine. `deno task test:kernels` holds it to all of the contract.
import { contract } from "./contract.ts";

contract("qemu", { brief: Deno.env.get("LAB_CONTRACT") !== "all" });
