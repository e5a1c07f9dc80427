import { brokerContract } from "../contract.ts";
import { LinkedJournal } from "./helpers.ts";

brokerContract("LinkJournal", (clock) => new LinkedJournal(clock), { canReopen: true });
