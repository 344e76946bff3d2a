// Tests of Docker 20.10 in a guest of the lab.
import { dockerTests } from "./docker.ts";

dockerTests("20.10");
