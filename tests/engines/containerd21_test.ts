// Tests of containerd 2 in a guest of the lab. Debian forky moves on, so its minor version may be another.
import { containerdTests } from "./containerd.ts";

containerdTests("2", "1.1.0");
