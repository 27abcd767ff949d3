import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fromTagged, toTagged } from '../../src/archive/tagged.js';
import { valueCodec } from '../../src/codec/value.js';
import { ByteWriter } from '../../src/codec/writer.js';
import fc from '../helpers/property.js';
import { value } from '../helpers/values.js';

function bytesOf(of: unknown): Buffer {
  const out = new ByteWriter();
  valueCodec.write(of, out);
  return out.copy();
}

test('every value the codec keeps comes back through JSON text, byte for byte', () => {
  fc.assert(
    fc.property(value, (original) => {
      const text = JSON.stringify(toTagged(original));
      assert.deepEqual(bytesOf(fromTagged(JSON.parse(text))), bytesOf(original), text);
    }),
  );
});

test('the documented tags', () => {
  const cases: readonly (readonly [unknown, string])[] = [
    [5n, '{"$bigint":"5"}'],
    [-0, '{"$number":"-0"}'],
    [Number.NaN, '{"$number":"NaN"}'],
    [Number.NEGATIVE_INFINITY, '{"$number":"-Infinity"}'],
    [undefined, '{"$undefined":true}'],
    [new Date(0), '{"$date":"1970-01-01T00:00:00.000Z"}'],
    [new Map([[1, 'a']]), '{"$map":[[1,"a"]]}'],
    [new Set([1]), '{"$set":[1]}'],
    [Uint8Array.of(1, 2), '{"$bytes":"AQI="}'],
    [Float64Array.of(1), '{"$binary":["Float64Array","AAAAAAAA8D8="]}'],
    [{ $bigint: '5' }, '{"$object":{"$bigint":"5"}}'],
    [{ a: 1, $b: 2 }, '{"a":1,"$b":2}'],
  ];
  for (const [original, text] of cases) {
    assert.equal(JSON.stringify(toTagged(original)), text);
    assert.deepEqual(fromTagged(JSON.parse(text)), original);
  }
});

test('what no value looks like is refused', () => {
  const deep = '['.repeat(1000) + ']'.repeat(1000);
  for (const text of [
    '{"$bigint":5}',
    '{"$bigint":"5.5"}',
    '{"$number":"5"}',
    '{"$number":"toString"}',
    '{"$undefined":false}',
    '{"$date":"never"}',
    '{"$map":[[1]], "x":1}',
    '{"$map":[[1,2,3]]}',
    '{"$map":1}',
    '{"$set":{}}',
    '{"$bytes":"?"}',
    '{"$binary":["Function","AAAA"]}',
    '{"$binary":["Float64Array","AAAA"]}',
    '{"$binary":["__proto__","AAAA"]}',
    '{"$object":1}',
    '{"$other":1}',
    deep,
  ])
    assert.throws(() => fromTagged(JSON.parse(text)), { code: 'USAGE' }, text.slice(0, 40));
});

test('names like __proto__ stay properties', () => {
  const text = '{"__proto__":{"x":1}}';
  const read = fromTagged(JSON.parse(text)) as Record<string, unknown>;
  assert.ok(Object.hasOwn(read, '__proto__'));
  assert.equal(JSON.stringify(toTagged(read)), text);
});
