/** SNS's limits, in its own units. docs/compat/sns.md lists them; a test compares the two. */

/** Message, attribute names, types and values; also of a whole batch. Bytes of UTF-8. */
export const MESSAGE_BYTES_MAX = 262_144
export const BATCH_ENTRIES_MAX = 10
export const SUBJECT_CHARACTERS_MAX = 100
export const SMS_BYTES_MAX = 1_600
/** Of a raw message to SQS: a queue takes no more. */
export const RAW_ATTRIBUTES_MAX = 10
/** Attributes of one message, in any delivery; AWS names no number. */
export const MESSAGE_ATTRIBUTES_MAX = 100
export const PAGE = 100
export const TAGS_MAX = 50
export const TAG_KEY_CHARACTERS_MAX = 128
export const TAG_VALUE_CHARACTERS_MAX = 256
/** Five minutes, as FIFO topics have it. */
export const FIFO_WINDOW_MS = 300_000
/** How long a subscription may wait for its confirmation: two days. */
export const CONFIRMATION_MS_MAX = 172_800_000
/** Statements of a topic's policy that AddPermission may make. */
export const POLICY_STATEMENTS_MAX = 20
export const DATA_PROTECTION_BYTES_MAX = 30_720
/** Values of attributes that are kept as they come; AWS names limits only for some. UTF-8 bytes. */
export const ATTRIBUTE_BYTES_MAX = 262_144
export const ENDPOINT_TOKEN_BYTES_MAX = 8_192
export const CUSTOM_USER_DATA_BYTES_MAX = 2_048
export const SANDBOX_NUMBERS_MAX = 10
