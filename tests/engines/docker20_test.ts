// Tests of Docker 20.10 in a guest of the lab.
import { dockerTests } from "./docker.ts";
import { ipamTests } from "./docker_ipam.ts";
import { liveTest } from "./docker_live.ts";
import { migrateTest } from "./docker_migrate.ts";
import { pluginTest } from "./docker_plugin.ts";

dockerTests("20.10");
pluginTest("20.10");
ipamTests("20.10");
liveTest("20.10");
migrateTest("20.10");
