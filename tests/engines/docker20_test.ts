// Tests of Docker 20.10 in a guest of the lab.
import { dockerTests } from "./docker.ts";
import { pluginTests } from "./docker_plugin.ts";

dockerTests("20.10");
pluginTests("20.10");
