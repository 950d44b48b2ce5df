"""What the recorded exchanges show, read off their bytes by hand: not what the code makes of them.

Times are in ms after the request, as the recorder dated its reads; durations are the server's, ns.
"""

# fmt: off
from __future__ import annotations

from typing import Any, NamedTuple

from dualollama_pipeline.core.records import FailureKind

K = FailureKind


class Spoken(NamedTuple):
    """An answer: how it ended, its text, when text and end were read, and the server's counters."""

    done_reason: str
    n_pieces: int  # records that carried text
    begins: str
    n_chars: int
    first_ms: float | None
    final_ms: float
    total_duration: int
    load_duration: int
    prompt_eval_count: int
    prompt_eval_duration: int
    eval_count: int
    eval_duration: int | None  # 0.25 leaves it out where one token came


class Failed(NamedTuple):
    """No answer: of which kind, with which status, and what its text says."""

    kind: FailureKind
    status: int
    says: str


class Told(NamedTuple):
    """An answer to a control request: some of its JSON."""

    some: dict[str, Any]


class Refused(NamedTuple):
    """A control request that brought an error, and what that says."""

    says: str


Outcome = Spoken | Failed | Told | Refused

BOTH: dict[str, Outcome] = {
    "version": Told({"version": "0.0.0"}),
    "wrong_host_header": Told({"version": "0.0.0"}),
    "show": Told({"capabilities": ["completion"]}),
    "show_missing": Refused("HTTP 404: model 'nope"),
    "not_found": Refused("HTTP 404: 404 page not found"),
    "ps_empty": Told({"models": []}),
    "unload_first": Told({"done": True, "done_reason": "unload"}),
    "unload": Told({"done": True, "done_reason": "unload"}),
    "load": Told({"done": True, "done_reason": "load"}),
    "chat_empty_loads": Told({"done": True, "done_reason": "load"}),
    "generate_missing_model": Failed(K.MODEL_MISSING, 404, "model 'nope' not found"),
    "generate_empty_model": Failed(K.MODEL_MISSING, 404, "model '' not found"),
    "generate_option_wrong_type": Failed(K.HTTP_5XX, 500, 'option "num_ctx" must be of type'),
    "generate_think_unsupported": Failed(K.HTTP_4XX, 400, "does not support thinking"),
    "generate_keep_alive_bad": Failed(K.HTTP_4XX, 400, "missing unit in duration"),
    "generate_no_body": Failed(K.HTTP_4XX, 400, "missing request body"),
    "generate_bad_json": Failed(K.HTTP_4XX, 400, "unexpected EOF"),
    "chat_tools_unsupported": Failed(K.HTTP_4XX, 400, "does not support tools"),
    "generate_cancelled": Failed(K.TRUNCATED, 200, "peer closed connection"),
    "openai_chat_stream": Failed(K.PROTOCOL, 200, "not a JSON record"),
}


def _listed(**more: Any) -> Told:
    return Told({"models": [{"name": "smollm2:latest", **more}]})


OUTCOMES: dict[str, dict[str, Outcome]] = {
    "ollama-0.25.0-dev": BOTH | {
        "tags": _listed(size=98_363_007),
        "ps_loaded": _listed(size=108_373_248, size_vram=0, context_length=512),
        "ps_after_num_gpu_99": _listed(size=108_373_248, size_vram=0, context_length=512),
        "ps_after_num_ctx_99999": _listed(size=285_320_448, size_vram=0, context_length=8192),
        "generate_truncate_false_too_long": Failed(
            K.HTTP_4XX, 400, "the input length exceeds the context length"
        ),
        "generate_length": Spoken("length", 24, "The dataset ", 88, 205.38, 632.88,
            632_128_245, 49_913_884, 45, 151_694_353, 24, 416_448_251),
        "generate_again_same_prompt": Spoken("length", 24, "The dataset ", 88, 64.52, 490.58,
            489_906_890, 46_967_361, 45, 11_998_824, 24, 416_547_901),
        "generate_early_stop": Spoken("stop", 7, "Yes, I can d", 17, 102.08, 204.17,
            203_280_359, 50_090_896, 15, 49_153_781, 8, 98_193_592),
        "generate_stop_word": Spoken("stop", 2, "The dataset ", 17, 200.85, 231.47,
            230_771_158, 51_146_132, 45, 144_316_297, 4, 31_428_432),
        "generate_raw": Spoken("stop", 0, "", 0, None, 177.74,
            177_266_189, 48_579_809, 36, 126_834_331, 1, None),
        "generate_not_streamed": Spoken("length", 1, "The dataset ", 88, 582.12, 582.12,
            581_063_543, 50_580_347, 45, 158_346_763, 24, 357_558_622),
        "generate_format_schema": Spoken("length", 24, "[\n  \"Ranges ", 74, 66.07, 641.52,
            640_332_591, 43_469_902, 45, 11_754_977, 24, 344_591_179),
        "generate_num_predict_1": Spoken("length", 1, "The", 3, 66.4, 66.75,
            65_929_374, 51_500_581, 45, 11_983_399, 1, None),
        "generate_too_long_truncated": Spoken("stop", 14, "Runes, you'r", 55, 2049.57, 2367.26,
            2_364_409_617, 42_018_424, 512, 2_000_338_828, 15, 306_754_511),
        "generate_past_context_no_shift": Spoken("stop", 60, "The number o", 220, 804.36, 5421.5,
            5_420_568_417, 457_523_478, 21, 341_416_724, 61, 4_584_998_952),
        "generate_think_false": Spoken("length", 4, "The dataset ", 20, 1208.35, 1243.5,
            1_242_929_097, 467_950_560, 45, 736_692_246, 4, 33_538_092),
        "generate_option_unknown": Spoken("length", 3, "The dataset ", 16, 57.77, 88.23,
            87_138_562, 42_676_203, 45, 11_636_982, 3, 29_595_906),
        "generate_num_gpu_99": Spoken("length", 3, "The dataset ", 16, 607.05, 631.82,
            631_103_001, 444_458_702, 45, 155_085_373, 3, 27_925_598),
        "generate_num_ctx_99999": Spoken("length", 3, "The dataset ", 16, 598.36, 622.17,
            621_438_219, 443_959_805, 45, 151_221_179, 3, 22_594_592),
        "generate_logprobs": Spoken("length", 3, "The dataset ", 16, 619.16, 664.06,
            663_358_827, 449_076_598, 45, 152_649_125, 3, 20_968_449),
        "chat_stream": Spoken("length", 24, "The dataset ", 88, 66.42, 411.91,
            411_416_143, 51_882_073, 45, 11_288_544, 24, 333_422_841),
        "two_at_once_1": Spoken("length", 20, "The dataset ", 77, 615.53, 1036.87,
            1_035_768_710, 458_873_428, 45, 150_001_030, 20, 415_517_734),
        "two_at_once_2": Spoken("length", 20, "A run consis", 80, 1186.29, 1458.07,
            1_456_649_237, 458_196_071, 47, 147_354_330, 20, 261_952_130),
    },
    "ollama-0.33.0-rc2": BOTH | {
        "tags": _listed(size=98_363_007),
        "ps_loaded": _listed(size=123_260_107, size_vram=0, context_length=512),
        "ps_after_num_gpu_99": _listed(size=123_260_107, size_vram=0, context_length=512),
        "ps_after_num_ctx_99999": _listed(size=330_626_497, size_vram=0, context_length=8192),
        "generate_truncate_false_too_long": Failed(
            K.HTTP_4XX, 400, "request (2169 tokens) exceeds the available context size"
        ),
        "generate_length": Spoken("length", 24, "The data pro", 77, 539.09, 980.7,
            979_584_478, 650_754, 45, 531_951_000, 24, 442_682_000),
        "generate_again_same_prompt": Spoken("length", 24, "The data pro", 77, 16.44, 302.88,
            301_226_332, 834_326, 45, 10_723_000, 24, 282_949_000),
        "generate_early_stop": Spoken("stop", 2, "Yes.", 4, 58.52, 87.92,
            84_227_515, 789_034, 15, 53_814_000, 3, 26_003_000),
        "generate_stop_word": Spoken("stop", 5, "The data pro", 21, 23.85, 179.88,
            178_277_880, 666_637, 45, 18_443_000, 5, 153_994_000),
        "generate_raw": Spoken("stop", 0, "", 0, None, 147.69,
            147_060_793, 990_021, 36, 143_898_000, 1, 1_000),
        "generate_not_streamed": Spoken("length", 1, "The data pro", 77, 431.02, 431.02,
            429_450_201, 4_103_053, 45, 13_689_000, 24, 407_430_000),
        "generate_format_schema": Spoken("length", 24, "[\n\n\"The data", 76, 27.25, 372.4,
            370_894_382, 2_537_038, 45, 21_205_000, 24, 343_829_000),
        "generate_num_predict_1": Spoken("length", 1, "The", 3, 43.35, 44.84,
            43_517_928, 685_534, 45, 38_033_000, 1, 1_000),
        "generate_too_long_truncated": Spoken("length", 24, "You are an e", 113, 1603.06,
            2233.37,  # the end came in two reads
            2_228_148_247, 540_363_608, 258, 1_049_316_000, 24, 625_858_000),
        "generate_past_context_no_shift": Spoken("length", 235, "123456789012", 235, 636.81,
            4861.05, 4_859_608_229, 534_847_021, 21, 94_078_000, 235, 4_226_977_000),
        "generate_think_false": Spoken("length", 4, "The data pro", 20, 705.04, 794.45,
            792_495_733, 527_017_544, 45, 173_951_000, 4, 88_037_000),
        "generate_option_unknown": Spoken("length", 3, "The data pro", 17, 24.52, 50.33,
            49_147_238, 2_697_148, 45, 16_428_000, 3, 27_434_000),
        "generate_num_gpu_99": Spoken("length", 3, "The data pro", 17, 711.54, 742.94,
            739_083_973, 529_269_903, 45, 178_014_000, 3, 27_790_000),
        "generate_num_ctx_99999": Spoken("length", 3, "The data pro", 17, 717.04, 745.99,
            744_650_506, 533_516_552, 45, 179_874_000, 3, 27_923_000),
        "generate_logprobs": Spoken("length", 3, "The data pro", 17, 777.61, 809.54,
            807_687_738, 534_661_481, 45, 238_285_000, 3, 29_985_000),
        "chat_stream": Spoken("length", 24, "The data pro", 77, 28.16, 364.77,
            364_144_033, 797_403, 45, 12_434_000, 24, 336_131_000),
        "two_at_once_1": Spoken("length", 20, "The data pro", 64, 732.17, 1077.46,
            1_075_775_334, 530_821_130, 45, 198_229_000, 20, 342_365_000),
        "two_at_once_2": Spoken("length", 20, "A data colle", 79, 1328.5, 1575.06,
            1_573_552_018, 530_767_959, 47, 245_726_000, 20, 247_078_000),
    },
}
