// User-Mode Linux on this machine.
import { contract } from "./contract.ts";

contract("uml");
