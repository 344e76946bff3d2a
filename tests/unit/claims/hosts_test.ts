// What hosts that share pools do, with an etcd in memory. With a real one, these tests run in tests/hosts/.
import "./in_memory.ts";
import "../../hosts/claims_test.ts";
import "../../hosts/copies_test.ts";
import "../../hosts/meanwhile_test.ts";
import "../../hosts/networks_test.ts";
import "../../hosts/own_test.ts";
import "../../hosts/reservations_test.ts";
