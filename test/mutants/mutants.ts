/**
 * Planted bugs, each with the test that must catch it. A replacement must match exactly once: code that moved on takes its mutant
 * along, or the run fails.
 */
export interface Mutant {
  readonly name: string
  readonly file: string
  readonly find: string
  readonly replace: string
  readonly caughtBy: { readonly file: string; readonly test: string }
}

const JOURNAL = 'src/engine/embedded/journal'
const ENGINE = 'src/engine/embedded'

const powerCut = {
  file: 'test/faults/power-cut.test.ts',
  test: 'at the sync boundaries of a trace loses nothing that was acknowledged, undoes no ack, and invents nothing',
}
const simulation = {
  file: 'test/simulation/simulation.test.ts',
  test: 'power cuts under clients of the library and of AMQP',
}
const conformance = (test: string): Mutant['caughtBy'] => ({ file: 'test/conformance/embedded.test.ts', test })
const journal = (test: string): Mutant['caughtBy'] => ({ file: 'test/journal/journal.test.ts', test })
const recycled = (test: string): Mutant['caughtBy'] => ({ file: 'test/journal/recycled.test.ts', test })
const damage = (test: string): Mutant['caughtBy'] => ({ file: 'test/journal/damage.test.ts', test })

export const mutants: readonly Mutant[] = [
  {
    name: 'skip the sync',
    file: `${JOURNAL}/writer.ts`,
    find: '    await file.datasync()\n    if (this.failure !== undefined) return\n',
    replace: '    if (this.failure !== undefined) return\n',
    caughtBy: powerCut,
  },
  {
    name: 'acknowledge before the sync',
    file: `${JOURNAL}/writer.ts`,
    find: '    this.#source.onWritten(this.written)\n',
    replace: '    this.#source.onWritten(this.written)\n    this.#source.onSynced(this.written)\n',
    caughtBy: powerCut,
  },
  {
    name: 'a sync counts for what was written while it ran',
    file: `${JOURNAL}/writer.ts`,
    find: '    this.synced = written\n    this.syncedTo = writtenTo\n    this.#source.onSynced(written)\n',
    replace: '    this.synced = this.written\n    this.syncedTo = writtenTo\n    this.#source.onSynced(this.written)\n',
    caughtBy: journal('counts a sync only for what was written before it began'),
  },
  {
    name: 'drop the directory sync of a roll',
    file: `${JOURNAL}/segment-table.ts`,
    find: '    await this.#disk.syncDirectory(DIRECTORY)\n    segment.bytes = bytes\n',
    replace: '    segment.bytes = bytes\n',
    caughtBy: powerCut,
  },
  {
    name: 'drop the directory sync of a checkpoint',
    file: `${JOURNAL}/checkpoint-file.ts`,
    find: '    await this.#disk.syncDirectory(DIRECTORY)\n    for (const name',
    replace: '    for (const name',
    caughtBy: {
      file: 'test/journal/checkpoint-file.test.ts',
      test: 'a power cut at any sync leaves the older or the newer one, whole',
    },
  },
  {
    name: 'write to the next segment before the last one is durable',
    file: `${JOURNAL}/writer.ts`,
    find: '    if (chunk.rolls) await this.#syncWhole(file)\n    else if',
    replace: '    if',
    caughtBy: damage('a segment left behind is durable before the next one gets a record'),
  },
  {
    name: 'try a failed sync again',
    file: `${JOURNAL}/writer.ts`,
    find: '    await file.datasync()\n    if (this.failure !== undefined) return\n',
    replace: '    await file.datasync().catch(() => file.datasync())\n    if (this.failure !== undefined) return\n',
    caughtBy: { file: 'test/faults/failing-disk.test.ts', test: 'a failed sync is never tried again' },
  },
  {
    name: 'go on after a failed write',
    file: `${JOURNAL}/writer.ts`,
    find: '    const failure = new SpindleError(',
    replace: "    if (doing === 'writing the journal') return\n    const failure = new SpindleError(",
    caughtBy: journal('one failed write ends it: nothing is told as synced any more, and every call says so'),
  },
  {
    name: 'accept a torn middle',
    file: `${JOURNAL}/replay.ts`,
    find: 'synced.offset > end.offset)?.at',
    replace: 'synced.offset > end.offset && false)?.at',
    caughtBy: damage('a flipped bit anywhere in what was stored is found, never served'),
  },
  {
    name: 'do not check the CRC of records',
    file: `${JOURNAL}/recovery.ts`,
    find: '    if (crc !== recordCrc(originOf(this.#seed, this.#before), at, bytes, at, length)) return undefined\n',
    replace: '',
    caughtBy: damage('a flipped bit anywhere in what was stored is found, never served'),
  },
  {
    name: 'leave out from the CRC of a record where, and behind what, it stands',
    file: `${JOURNAL}/record-format.ts`,
    find: 'return crcFeedUint32(crcFeedUint32(origin, offset), length)',
    replace: 'return crcFeedUint32(CRC_START + 0 * (origin + offset), length)',
    caughtBy: damage('a record in another place than its own is not taken for one'),
  },
  {
    name: 'do not check bodies read back',
    file: `${ENGINE}/page-cache.ts`,
    find: '      throw this.#corrupt(segment, offset)\n',
    replace: '',
    caughtBy: {
      file: 'test/faults/damage.test.ts',
      test: 'a bit that flips under an open store is found when the body is read',
    },
  },
  {
    name: 'do not chain records to those before them',
    file: `${JOURNAL}/record-format.ts`,
    find: 'return crcFeedUint32(crcFeedUint32(origin, offset), length)',
    replace: 'return crcFeedUint32(crcFeedUint32(CRC_START + 0 * origin, offset), length)',
    caughtBy: damage('never brings back a record that lay behind the cut'),
  },
  {
    name: 'take what a recycled file held for records',
    file: `${JOURNAL}/record-format.ts`,
    find: 'return crcFeedUint32(crcFeedUint32(origin, offset), length)',
    replace: 'return crcFeedUint32(crcFeedUint32(CRC_START + 0 * origin, offset), length)',
    caughtBy: recycled('never comes back, wherever the power is cut and whatever sectors survive'),
  },
  {
    name: 'make a deleted segment a spare before its name is durably gone',
    file: `${JOURNAL}/segment-table.ts`,
    find: '    await this.#disk.rename(from, path)\n    await this.#disk.syncDirectory(DIRECTORY)\n    return',
    replace: '    await this.#disk.rename(from, path)\n    return',
    caughtBy: recycled('is a spare for good once that is told'),
  },
  {
    name: 'use one salt for every life of a file',
    file: `${JOURNAL}/journal.ts`,
    find: 'return Buffer.from(this.#random.bytes(4)).readUInt32LE(0)',
    replace: 'return this.#random.bytes(0).length',
    caughtBy: recycled('draws another salt for each life of a file'),
  },
  {
    name: 'take the reserve for appends',
    file: `${JOURNAL}/spare-segments.ts`,
    find: "(room === 'append' ? SPARES_KEPT : 1)",
    replace: '1',
    caughtBy: journal('refuses appends, still takes settles, and resumes by itself'),
  },
  {
    name: 'ignore the fence token',
    file: `${ENGINE}/endings.ts`,
    find: 'if (c.lease === undefined || c.lease.token[i] !== receipt.token) return NONE',
    replace: 'if (c.lease === undefined) return NONE',
    caughtBy: conformance('gives each delivery a receipt of its own, and only the latest one counts'),
  },
  {
    name: 'use the tokens of an earlier run again',
    file: `${ENGINE}/recovery.ts`,
    find: 'core.startEpoch(core.epoch + 1)',
    replace: 'core.startEpoch(core.epoch)',
    caughtBy: conformance('never gives a token, an id or a sequence again'),
  },
  {
    name: 'count a late ack where the queue forbids it',
    file: `${ENGINE}/endings.ts`,
    find: ' && index.queueOf(slot).policy.lateAck) return slot',
    replace: ') return slot',
    caughtBy: conformance('ack does not count late where the queue forbids it'),
  },
  {
    name: 'spend no attempt on a lost lease',
    file: `${ENGINE}/endings.ts`,
    find: '    putBack(core, slot, { attempts, fence: Fence.late, delayMs: 0, note: undefined })\n',
    replace: '    putBack(core, slot, { attempts: attempts - 1, fence: Fence.late, delayMs: 0, note: undefined })\n',
    caughtBy: conformance('silent loss of the last attempt is death `exhausted`'),
  },
  {
    name: 'a released message loses its place',
    file: `${ENGINE}/endings.ts`,
    find: '  const place = ledger.scribe.return(number, how.attempts, how.fence, core.toWall(due), how.note)\n',
    replace:
      '  index.slots.chunk(slot).sequence[slot & SLOT_MASK] = core.nextNumber++\n  const place = ledger.scribe.return(number, how.attempts, how.fence, core.toWall(due), how.note)\n',
    caughtBy: conformance('returns a released message to its place, also after a delay'),
  },
  {
    name: 'forget dedup keys at a reopen',
    file: `${ENGINE}/replay.ts`,
    find: '    holdDedup(core, queue, row)\n',
    replace: '',
    caughtBy: powerCut,
  },
  {
    name: 'name a group in the first checkpoint alone',
    file: `${ENGINE}/checkpoint.ts`,
    find: '    this.#rows.restart()\n',
    replace: '',
    caughtBy: {
      file: 'test/embedded/checkpoint.test.ts',
      test: 'keeps groups that many rows name, and keys whose messages are gone',
    },
  },
  {
    name: 'a dead letter leaves and never arrives',
    file: `${ENGINE}/endings.ts`,
    find: '  else move(core, slot, target, addDeath(before, death), note)\n',
    replace: '  else drop(core, slot)\n',
    caughtBy: powerCut,
  },
  {
    name: 'tell a lease before it is written',
    file: `${ENGINE}/engine.ts`,
    find: "else latest.written = core.ledger.seal('relaxed', 'settle')",
    replace: "else latest.written = core.ledger.seal('relaxed', 'settle') * 0",
    caughtBy: {
      file: 'test/faults/power-cut.test.ts',
      test: 'has the attempt of a delivery on record before it leaves',
    },
  },
  {
    name: 'delete a segment that is in use',
    file: `${ENGINE}/compaction.ts`,
    find: '      if (usage.bytesOf(id) > 0) continue\n',
    replace: '',
    caughtBy: powerCut,
  },
  {
    name: 'a fair group goes one past its cap',
    file: `${ENGINE}/index/groups.ts`,
    find: 'group.leased < this.#concurrency ?',
    replace: 'group.leased <= this.#concurrency ?',
    caughtBy: conformance('lease at most `concurrency` of a group, and the next when one of them ends'),
  },
  {
    name: 'the bucket of a drained group is forgotten',
    file: `${ENGINE}/index/group-rates.ts`,
    find: 'else if (value.fullMs <= nowMs && value.emptyUntilMs === 0)',
    replace: 'else',
    caughtBy: conformance('remembers the bucket of a group that was drained'),
  },
  {
    name: 'a unit does not count its own bytes',
    file: `${ENGINE}/rows.ts`,
    find: '  queue.meter?.enter(State.pending, length - CONTENT_HEADER_BYTES)\n',
    replace: '  queue.meter?.enter(State.pending, 0)\n',
    caughtBy: conformance('counts the messages of one unit, too'),
  },
  {
    name: 'whoever begins to watch does not hear of the dead that wait for an exchange',
    file: `${ENGINE}/engine.ts`,
    find: "    if (this.#state === 'open') this.#core.hintAllDead()\n",
    replace: '',
    caughtBy: conformance('are told to whoever begins to watch'),
  },
  {
    name: 'a dead message is acked without its copies',
    file: 'src/broker/dead-letterer.ts',
    find: "[{ kind: 'settle', receipt, how: { kind: 'ack' }, required: true }, ...appends]",
    replace: "appends.length > 1 ? [{ kind: 'settle', receipt, how: { kind: 'ack' }, required: true }] : []",
    caughtBy: {
      file: 'test/broker/dead-letterer.test.ts',
      test: 'sends each to the queues that take it, in one unit, with its history',
    },
  },
  {
    name: 'a dead message goes back to where it just expired',
    file: 'src/broker/dead-letterer.ts',
    find: '(queue) => !returnsIdle(delivery.history, queue),',
    replace: '() => true,',
    caughtBy: {
      file: 'test/broker/dead-letterer.test.ts',
      test: 'never sends a message back to where it just expired',
    },
  },
  {
    name: 'a redriven message gets a new id',
    file: 'src/broker/redriver.ts',
    find: '    history,\n    id,\n',
    replace: '    history,\n',
    caughtBy: {
      file: 'test/broker/redrive.test.ts',
      test: 'sends each message of a dead-letter queue back to where it died, as if new there',
    },
  },
  {
    name: 'a # of a topic pattern stands for at least one word',
    file: 'src/routing/topic-trie.ts',
    find: 'at = at.hash) {',
    replace: 'at = undefined) {',
    caughtBy: {
      file: 'test/routing/topic-trie.test.ts',
      test: 'finds what a matcher finds that tries every way, while patterns come and go',
    },
  },
  {
    name: 'one list of anything-but decides for all',
    file: 'src/routing/filter/leaf-test.ts',
    find: 'values.filter((value) => before.has(value))',
    replace: 'values',
    caughtBy: {
      file: 'test/routing/filter.test.ts',
      test: 'passes a value that one of several lists of anything-but does not name',
    },
  },
  {
    name: 'aws: a signature need not cover the headers that steer the service',
    file: 'src/frontends/aws/verify-signature.ts',
    find: '  if (left === undefined) return\n',
    replace: '  return\n',
    caughtBy: { file: 'test/aws/sigv4.test.ts', test: 'must have signed its host and every x-amz header' },
  },
  {
    name: 'aws: a hash that the client names is believed',
    file: 'src/frontends/aws/verify-signature.ts',
    find: 'payloadHash === undefined || payloadHash === actual) return actual',
    replace: 'payloadHash === undefined || payloadHash.length === 64) return payloadHash ?? actual',
    caughtBy: {
      file: 'test/aws/sigv4.test.ts',
      test: 'may leave its body unsigned only by saying so, and may not lie about it',
    },
  },
  {
    name: 'aws: a presigned URL never expires',
    file: 'src/frontends/aws/verify-signature.ts',
    find: 'nowMs > signedMs + expiresMs',
    replace: 'nowMs < signedMs',
    caughtBy: { file: 'test/aws/sigv4.test.ts', test: 'is good until it expires' },
  },
  {
    name: 'sns: a name is resolved again for the connection',
    file: 'src/runtime/outbound-http.ts',
    find: '        lookup: (_host',
    replace: '        family: 0, localAddress: undefined, lookupUnused: (_host',
    caughtBy: {
      file: 'test/runtime/outbound-http.test.ts',
      test: 'goes to the address that was checked, whatever the name becomes',
    },
  },
  {
    name: 'sns: only the first address of a name is judged',
    file: 'src/runtime/outbound-http.ts',
    find: 'const hidden = addresses.find(',
    replace: 'const hidden = addresses.slice(0, 1).find(',
    caughtBy: {
      file: 'test/runtime/outbound-http.test.ts',
      test: 'is refused when one of the addresses of a name is private',
    },
  },
  {
    name: 'sns: a repetition is delivered again',
    file: 'src/frontends/sns/publisher.ts',
    find: 'if (await this.#isTaken([marker, ...appends]))',
    replace: 'if (await this.#isTaken(appends))',
    caughtBy: { file: 'test/sns/fan-out.test.ts', test: 'keeps order and drops what repeats within five minutes' },
  },
  {
    name: 'sns: a delivery is settled before it is made',
    file: 'src/frontends/sns/delivery/delivery-loop.ts',
    find: '    const leave = await this.#parts.enter()\n',
    replace:
      "    await this.#settle([{ kind: 'settle', receipt, id, how: { kind: 'ack' } }])\n    const leave = await this.#parts.enter()\n",
    caughtBy: {
      file: 'test/sns/courier.test.ts',
      test: 'loses nothing when the server stops in the middle of a delivery',
    },
  },
  {
    name: 'sns: a binding is put for a subscription that is gone',
    file: 'src/frontends/sns/subscriptions.ts',
    find: 'if ((await this.#port.read(keyOf(subscription))) !== undefined) await',
    replace: 'if (subscription !== undefined) await',
    caughtBy: { file: 'test/sns/fan-out.test.ts', test: 'see at once what the other one subscribed and unsubscribed' },
  },
  {
    name: 'import: a message is deleted at the source that is not here',
    file: 'src/server/import/import-sqs-queue.ts',
    find: 'messages.filter(({ MessageId }) => stored.has(MessageId))',
    replace: 'messages.filter(() => true)',
    caughtBy: { file: 'test/import/import-sqs.test.ts', test: 'deletes at the source only what is durable here' },
  },
  {
    name: 'tasks: a schedule fires whoever else has fired',
    file: 'src/tasks/schedules/firing.ts',
    find: 'value: encodeSchedule(record), expect },',
    replace: 'value: encodeSchedule(record) },',
    caughtBy: {
      file: 'test/tasks/schedules/schedules.test.ts',
      test: 'is fired exactly once by however many processes',
    },
  },
  {
    name: 'tasks: a schedule fires a second early',
    file: 'src/tasks/schedules/scheduler.ts',
    find: 'const nowMs = this.#clock.wallMs()\n    const first = this.#looks',
    replace: 'const nowMs = this.#clock.wallMs() + 1_000\n    const first = this.#looks',
    caughtBy: {
      file: 'test/tasks/schedules/schedules.test.ts',
      test: 'sends to its queue at each instant, never early',
    },
  },
  {
    name: 'tasks: a fan-out starts more than it may',
    file: 'src/tasks/flows/progression.ts',
    find: 'nodes.slice(0, concurrency).entries()',
    replace: 'nodes.slice(0, concurrency * 2).entries()',
    caughtBy: {
      file: 'test/tasks/flows/flows.test.ts',
      test: 'runs so many at a time',
    },
  },
  {
    name: 'tasks: children that a step adds are not waited for',
    file: 'src/tasks/flows/progression.ts',
    find: 'this.#count(around, composite, 1 - child.added.length),',
    replace: 'this.#count(around, composite, 1),',
    caughtBy: {
      file: 'test/tasks/flows/flows.test.ts',
      test: 'takes children that a step adds while it runs',
    },
  },
  {
    name: 'tasks: a retried child counts twice',
    file: 'src/tasks/flows/flow-run.ts',
    find: '      ...this.#uncounted(value.counted),\n      ...steps,',
    replace: '      ...steps,',
    caughtBy: {
      file: 'test/tasks/flows/flows.test.ts',
      test: 'is counted once, however often it is retried',
    },
  },
  {
    name: 'tasks: a step of a stopped workflow begins',
    file: 'src/tasks/executor.ts',
    find: '(stopped ? this.#end(run, this.#cancelled(run)) : this.#admitDelivery(run))',
    replace: '(stopped ? this.#admitDelivery(run) : this.#admitDelivery(run))',
    caughtBy: {
      file: 'test/tasks/flows/flows.test.ts',
      test: 'fails it at once: what runs is told, what waits does not begin',
    },
  },
  {
    name: 'tasks: silent ends are not counted',
    file: 'src/tasks/verdict.ts',
    find: 'silent: Math.max(0, before - failed)',
    replace: 'silent: 0',
    caughtBy: {
      file: 'test/tasks/outcomes.test.ts',
      test: 'is dead after undefined silent ends, beside its ordinary failures',
    },
  },
  {
    name: 'tasks: failures while a breaker is open spend attempts',
    file: 'src/tasks/executor.ts',
    find: "return isDown ? { kind: 'snoozed', delayMs: 0 } : verdict",
    replace: "return isDown && run.ended ? { kind: 'snoozed', delayMs: 0 } : verdict",
    caughtBy: {
      file: 'test/tasks/limits/limits.test.ts',
      test: 'parks the queue, probes with one task at growing intervals, and lets all through when the vendor is back',
    },
  },
  {
    name: 'tasks: a pause by hand ends with a breaker',
    file: 'src/tasks/limits/breakers.ts',
    find: 'const byHand = await isQueuePaused(this.#port, queue)',
    replace: 'const byHand = (await isQueuePaused(this.#port, queue)) && false',
    caughtBy: {
      file: 'test/tasks/limits/limits.test.ts',
      test: 'is known to a worker that starts while it is open, and leaves a pause by hand alone',
    },
  },
  {
    name: 'tasks: an isolate that is deaf to its signal lives on',
    file: 'src/tasks/executor.ts',
    find: 'if (run.task?.options.isolate !== undefined) this.#parts.isolation.abandon(run)\n',
    replace: '',
    caughtBy: {
      file: 'test/tasks/isolation/isolation.test.ts',
      test: 'hears a cancel, and is ended when it is deaf to it',
    },
  },
  {
    name: 'simulation: a publish is confirmed before it is stored',
    file: 'src/frontends/amqp/publisher.ts',
    find: '    if (this.#refused.length > 0) this.#refused.push(run)\n    else this.#store(run)\n',
    replace:
      '    if (this.#refused.length > 0) this.#refused.push(run)\n    else this.#store(run)\n    if (run.confirm !== undefined) run.confirm.settled = true\n    run.channel.confirmed()\n',
    caughtBy: simulation,
  },
  {
    name: 'simulation: acknowledged before the sync',
    file: `${JOURNAL}/writer.ts`,
    find: '    this.#source.onWritten(this.written)\n',
    replace: '    this.#source.onWritten(this.written)\n    this.#source.onSynced(this.written)\n',
    caughtBy: simulation,
  },
  {
    name: 'amqp: multiple acks one',
    file: 'src/frontends/amqp/unacked.ts',
    find: 'for (let next = this.#first; next <= last; next++)',
    replace: 'for (let next = last; next <= last; next++)',
    caughtBy: {
      file: 'test/amqp/queues.test.ts',
      test: 'put back what they nack with requeue, and recover everything',
    },
  },
  {
    name: 'amqp: a broken connection keeps what it did not answer',
    file: 'src/frontends/amqp/connection.ts',
    find: '    this.publisher.close()\n    for (const channel of [...this.#channels.values()]) channel.end()\n',
    replace: '    this.publisher.close()\n',
    caughtBy: {
      file: 'test/amqp/queues.test.ts',
      test: 'whose connection breaks leave what they did not answer to others, in its place and marked as redelivered',
    },
  },
  {
    name: 'amqp: one refused renewal ends the round',
    file: 'src/frontends/amqp/renewals.ts',
    find: '    await Promise.all([...this.#kept].map(([name, kept]) => this.#renew(name, kept)))\n',
    replace:
      '    for (const [name, kept] of this.#kept) {\n      await this.#renew(name, kept)\n      if (kept.renewedMs < this.#clock.monotonicMs()) return\n    }\n',
    caughtBy: {
      file: 'test/amqp/pressure.test.ts',
      test: 'is told before they go, and costs nobody else theirs',
    },
  },
  {
    name: 'early appends are resolved before their sync',
    file: `${ENGINE}/engine.ts`,
    find: '    if (wait.durable === 0) return ledger.whenWritten(wait.written, value)\n',
    replace:
      '    if (wait.durable === 0 || wait.early) return ledger.whenWritten(Math.max(wait.written, wait.durable), value)\n',
    caughtBy: {
      file: 'test/embedded/early.test.ts',
      test: 'delivers an early append when it is written, and resolves it when it is synced',
    },
  },
  {
    name: 'early appends are delivered before they are written',
    file: `${ENGINE}/engine.ts`,
    find: "      else latest.written = core.ledger.seal('relaxed', 'settle')\n",
    replace: "      else core.ledger.seal('relaxed', 'settle')\n",
    caughtBy: {
      file: 'test/embedded/early.test.ts',
      test: 'delivers an early append when it is written, and resolves it when it is synced',
    },
  },
  {
    name: 'amqp: a refused publish is acked',
    file: 'src/frontends/amqp/publisher.ts',
    find: '    if (refused.length > 0 && run.confirm !== undefined) run.confirm.refused = refused\n',
    replace: '',
    caughtBy: {
      file: 'test/amqp/queues.test.ts',
      test: 'refuse what does not fit when full: the newest is nacked, or the oldest goes',
    },
  },
  {
    name: 'sqs: a receipt handle opens every queue',
    file: 'src/frontends/sqs/receipt-handle.ts',
    find: '    if (halfSipHash(this.#keyOf(queue), receipt) !== handle.slice(last + 1)) return undefined\n',
    replace: '',
    caughtBy: { file: 'test/sqs/errors.test.ts', test: 'gives a handle of one queue no power over another' },
  },
  {
    name: 'sqs: an expired handle of a FIFO queue deletes in silence',
    file: 'src/frontends/sqs/actions/delete-message.ts',
    find: '  if (!queue.isFifo) return\n',
    replace: '  if (queue.isFifo || !queue.isFifo) return\n',
    caughtBy: {
      file: 'test/sqs/fifo.test.ts',
      test: 'refuse a delete whose handle has expired, but not one that came twice',
    },
  },
  {
    name: 'doctor: a damaged body is saved as it is',
    file: 'src/engine/embedded/doctor/contents.ts',
    find: '    if (crc32(bytes, 4, length) !== bytes.readUInt32LE(0)) return undefined\n',
    replace: '',
    caughtBy: {
      file: 'test/doctor/doctor.test.ts',
      test: 'in the body of a message loses that one alone, and names it',
    },
  },
  {
    name: 'doctor: what may have been settled is called certain',
    file: 'src/engine/embedded/doctor/remains.ts',
    find: '    return message.gapsBefore < this.gaps\n',
    replace: '    return message.gapsBefore > this.gaps\n',
    caughtBy: { file: 'test/doctor/doctor.test.ts', test: 'that is cut at any length' },
  },
  {
    name: 'amqp: a publish is confirmed before the one before it',
    file: 'src/frontends/amqp/confirms.ts',
    find: '      if (run?.settled !== true) break\n',
    replace: '      if (run === undefined) break\n',
    caughtBy: { file: 'test/amqp/parts.test.ts', test: 'wait for what was published before' },
  },
]
