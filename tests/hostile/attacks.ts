import type { Attack } from "./attack.ts";
import { ACCESS_ATTACKS } from "./attacks/access.ts";
import { CONNECTION_ATTACKS } from "./attacks/connections.ts";
import { CONTENT_ATTACKS } from "./attacks/contents.ts";
import { FLOOD_ATTACKS } from "./attacks/floods.ts";
import { HOST_ATTACKS } from "./attacks/hosts.ts";
import { IDENTITY_ATTACKS } from "./attacks/identity.ts";
import { INJECTION_ATTACKS } from "./attacks/injection.ts";
import { LOCAL_ATTACKS } from "./attacks/local.ts";
import { MESSAGE_ATTACKS } from "./attacks/messages.ts";
import { PUSHER_ATTACKS } from "./attacks/pusher.ts";
import { WORK_ATTACKS } from "./attacks/work.ts";

/** Every attack that there is a test of, and a line in the table. */
export const ATTACKS: readonly Attack[] = [
  ...CONNECTION_ATTACKS,
  ...MESSAGE_ATTACKS,
  ...FLOOD_ATTACKS,
  ...CONTENT_ATTACKS,
  ...INJECTION_ATTACKS,
  ...HOST_ATTACKS,
  ...IDENTITY_ATTACKS,
  ...ACCESS_ATTACKS,
  ...LOCAL_ATTACKS,
  ...PUSHER_ATTACKS,
  ...WORK_ATTACKS,
];
