// Tests of moving networks of Docker 26.1's own driver to the plugin, in a guest of the lab.
import { migrateFaultsTest, migrateTest } from "./docker_migrate.ts";

migrateTest("26.1");
migrateFaultsTest("26.1");
