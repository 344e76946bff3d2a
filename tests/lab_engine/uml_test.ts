// Tests of the engine `uml`.
import { contract } from "./contract.ts";

contract("uml");
