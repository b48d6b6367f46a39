#!/bin/sh
# Puts beside this page what it needs: onnxruntime-web from npm, and an exported vocoder.
# Usage: docs/browser/prepare.sh [MODEL], then python -m http.server --bind 127.0.0.1 --directory docs/browser
set -eu
here=$(cd "$(dirname "$0")" && pwd)
unpacked=$(mktemp -d)
trap 'rm -rf "$unpacked"' EXIT
(cd "$unpacked" && npm pack --silent onnxruntime-web@1.30.0 && tar -xzf onnxruntime-web-*.tgz)
mkdir -p "$here/ort"
cd "$unpacked/package/dist"
cp ort.wasm.min.mjs ort-wasm-simd-threaded.mjs ort-wasm-simd-threaded.wasm "$here/ort/"
if [ ! -e "$here/model" ]; then
  audiodiff export "${1:-speech}" --to onnx -o "$here/model"
fi
