// Imported first, this has the tests of tests/hosts/ run with an etcd in memory.
import { etcd } from "../../hosts/start_etcd.ts";
import { MemoryEtcd } from "../../kit/memory_etcd.ts";

etcd.start = () => MemoryEtcd.start();
