// Tests of Docker 26.1 in a guest of the lab.
import { dockerTests } from "./docker.ts";

dockerTests("26.1");
