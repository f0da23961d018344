import fc from 'fast-check'

/** Gives every property of a run the seed that scripts/test.ts drew and printed, or that the caller set. */
const seed = Number(process.env['SPINDLE_SEED'] ?? Number.NaN)

if (Number.isInteger(seed)) fc.configureGlobal({ seed })
