/**
 * What a journal record says: the effects of one unit (or lease, or time's passing) on the index, in order. Effects, not
 * commands: they name what was decided, with wall instants and message numbers, so a replay decides nothing.
 *
 *   record   := effect*
 *   append   := 1 flags:u8 queue:u32 number:f64 enqueuedAt:f64 priority:u8
 *               [sequence:f64] [due:f64] [expires:f64] [group:str] [dedup:str] [history:json] (content | back:u32)
 *   lease    := 2 number:f64 token:f64 at:f64 term:f64 holder:str
 *   extend   := 3 number:f64 term:f64
 *   remove   := 4 number:f64
 *   keep     := 5 number:f64 at:f64 until:f64 blob
 *   return   := 6 number:f64 attempts:u16 fence:u8 due:f64 hasNote:u8 [blob]
 *   die      := 7 number:f64 at:f64 until:f64 history:json hasNote:u8 [blob]
 *   move     := 8 number:f64 queue:u32 sequence:f64 at:f64 due:f64 expires:f64 history:json hasNote:u8 [blob]
 *   record   := 9 key:str version:f64 present:u8 [len:u32 bytes]
 *   putQueue := 10 queue:u32 json
 *   drop     := 11 queue:u32
 *   purge    := 12 queue:u32 count:u32 (number:f64)*
 *   open     := 13 epoch:f64 next:f64 json
 *   copy     := 14 number:f64 which:u8 bytes:u32 blob        which: 0 content, 1 note, 2 kept, 3 content that others share
 *   place    := 15 number:f64 segment:u32 offset:u32 length:u32      (its content is a copy that another entry made)
 *
 *   content  := crc:u32 headBytes:u32 bodyBytes:u32 head body        crc over everything after it
 *   blob     := crc:u32 0:u32 bytes:u32 bytes                        (a content without a head)
 *   str      := bytes:u16 utf8      json := bytes:u32 utf8           little endian throughout; instants 0: none
 *
 * `back` is the distance from the record's start to the content of an earlier append of the same record.
 */
export const FORMAT_VERSION = 3
/** Kind byte of the journal's records. */
export const RECORD_KIND = 1

export const Effect = {
  append: 1,
  lease: 2,
  extend: 3,
  remove: 4,
  keep: 5,
  return: 6,
  die: 7,
  move: 8,
  record: 9,
  putQueue: 10,
  drop: 11,
  purge: 12,
  open: 13,
  copy: 14,
  place: 15,
} as const

export const AppendFlag = {
  sequence: 1,
  due: 2,
  expires: 4,
  group: 8,
  dedup: 16,
  history: 32,
  shared: 64,
} as const

export const CONTENT_HEADER_BYTES = 12
