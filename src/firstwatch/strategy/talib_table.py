"""All functions of TA-Lib's abstract API. Generated: tests/strategy/make_function_table.py."""

from firstwatch.strategy.functions import Function, Memory, Parameter, ParameterKind

_INTEGER, _REAL, _AVERAGE = ParameterKind.INTEGER, ParameterKind.REAL, ParameterKind.MOVING_AVERAGE
_FINITE, _FADING, _ANCHORED = Memory.FINITE, Memory.FADING, Memory.ANCHORED

# fmt: off
TALIB_FUNCTIONS = (
    Function("ac", _FINITE, ("high", "low"), (
        Parameter("fastperiod", _INTEGER, 5, 2, 100_000),
        Parameter("slowperiod", _INTEGER, 34, 2, 100_000),
        Parameter("signalperiod", _INTEGER, 5, 2, 100_000),
    ), ("real",)),
    Function("accbands", _FINITE, ("high", "low", "close"), (
        Parameter("timeperiod", _INTEGER, 20, 2, 100_000),
    ), ("upperband", "middleband", "lowerband")),
    Function("acos", _FINITE, ("source",), (), ("real",)),
    Function("ad", _ANCHORED, ("high", "low", "close", "volume"), (), ("real",)),
    Function("add", _FINITE, ("high", "low"), (), ("real",)),
    Function("adosc", _FADING, ("high", "low", "close", "volume"), (
        Parameter("fastperiod", _INTEGER, 3, 2, 100_000),
        Parameter("slowperiod", _INTEGER, 10, 2, 100_000),
    ), ("real",)),
    Function("adr", _FINITE, ("high", "low"), (
        Parameter("timeperiod", _INTEGER, 14, 1, 100_000),
    ), ("real",)),
    Function("adx", _FADING, ("high", "low", "close"), (
        Parameter("timeperiod", _INTEGER, 14, 2, 100_000),
    ), ("real",)),
    Function("adxr", _FADING, ("high", "low", "close"), (
        Parameter("timeperiod", _INTEGER, 14, 2, 100_000),
    ), ("real",)),
    Function("ao", _FINITE, ("high", "low"), (
        Parameter("fastperiod", _INTEGER, 5, 2, 100_000),
        Parameter("slowperiod", _INTEGER, 34, 2, 100_000),
    ), ("real",)),
    Function("apo", _FADING, ("source",), (
        Parameter("fastperiod", _INTEGER, 12, 2, 100_000),
        Parameter("slowperiod", _INTEGER, 26, 2, 100_000),
        Parameter("matype", _AVERAGE, 1, 0, 13),
    ), ("real",)),
    Function("aroon", _FINITE, ("high", "low"), (
        Parameter("timeperiod", _INTEGER, 14, 2, 100_000),
    ), ("aroondown", "aroonup")),
    Function("aroonosc", _FINITE, ("high", "low"), (
        Parameter("timeperiod", _INTEGER, 14, 2, 100_000),
    ), ("real",)),
    Function("asin", _FINITE, ("source",), (), ("real",)),
    Function("atan", _FINITE, ("source",), (), ("real",)),
    Function("atr", _FADING, ("high", "low", "close"), (
        Parameter("timeperiod", _INTEGER, 14, 1, 100_000),
    ), ("real",)),
    Function("avgdev", _FINITE, ("source",), (
        Parameter("timeperiod", _INTEGER, 14, 2, 100_000),
    ), ("real",)),
    Function("avgprice", _FINITE, ("open", "high", "low", "close"), (), ("real",)),
    Function("bbands", _FINITE, ("source",), (
        Parameter("timeperiod", _INTEGER, 20, 2, 100_000),
        Parameter("nbdevup", _REAL, 2.0, -3e+37, 3e+37),
        Parameter("nbdevdn", _REAL, 2.0, -3e+37, 3e+37),
        Parameter("matype", _AVERAGE, 0, 0, 13),
    ), ("upperband", "middleband", "lowerband")),
    Function("beta", _FINITE, ("high", "low"), (
        Parameter("timeperiod", _INTEGER, 5, 1, 100_000),
    ), ("real",)),
    Function("bop", _FINITE, ("open", "high", "low", "close"), (), ("real",)),
    Function("cci", _FINITE, ("high", "low", "close"), (
        Parameter("timeperiod", _INTEGER, 14, 2, 100_000),
    ), ("real",)),
    Function("cdl2crows", _FINITE, ("open", "high", "low", "close"), (), ("integer",)),
    Function("cdl3blackcrows", _FINITE, ("open", "high", "low", "close"), (), ("integer",)),
    Function("cdl3inside", _FINITE, ("open", "high", "low", "close"), (), ("integer",)),
    Function("cdl3linestrike", _FINITE, ("open", "high", "low", "close"), (), ("integer",)),
    Function("cdl3outside", _FINITE, ("open", "high", "low", "close"), (), ("integer",)),
    Function("cdl3starsinsouth", _FINITE, ("open", "high", "low", "close"), (), ("integer",)),
    Function("cdl3whitesoldiers", _FINITE, ("open", "high", "low", "close"), (), ("integer",)),
    Function("cdlabandonedbaby", _FINITE, ("open", "high", "low", "close"), (
        Parameter("penetration", _REAL, 0.3, 0.0, 3e+37),
    ), ("integer",)),
    Function("cdladvanceblock", _FINITE, ("open", "high", "low", "close"), (), ("integer",)),
    Function("cdlbelthold", _FINITE, ("open", "high", "low", "close"), (), ("integer",)),
    Function("cdlbreakaway", _FINITE, ("open", "high", "low", "close"), (), ("integer",)),
    Function("cdlclosingmarubozu", _FINITE, ("open", "high", "low", "close"), (), ("integer",)),
    Function("cdlconcealbabyswall", _FINITE, ("open", "high", "low", "close"), (), ("integer",)),
    Function("cdlcounterattack", _FINITE, ("open", "high", "low", "close"), (), ("integer",)),
    Function("cdldarkcloudcover", _FINITE, ("open", "high", "low", "close"), (
        Parameter("penetration", _REAL, 0.5, 0.0, 3e+37),
    ), ("integer",)),
    Function("cdldoji", _FINITE, ("open", "high", "low", "close"), (), ("integer",)),
    Function("cdldojistar", _FINITE, ("open", "high", "low", "close"), (), ("integer",)),
    Function("cdldragonflydoji", _FINITE, ("open", "high", "low", "close"), (), ("integer",)),
    Function("cdlengulfing", _FINITE, ("open", "high", "low", "close"), (), ("integer",)),
    Function("cdleveningdojistar", _FINITE, ("open", "high", "low", "close"), (
        Parameter("penetration", _REAL, 0.3, 0.0, 3e+37),
    ), ("integer",)),
    Function("cdleveningstar", _FINITE, ("open", "high", "low", "close"), (
        Parameter("penetration", _REAL, 0.3, 0.0, 3e+37),
    ), ("integer",)),
    Function("cdlgapsidesidewhite", _FINITE, ("open", "high", "low", "close"), (), ("integer",)),
    Function("cdlgravestonedoji", _FINITE, ("open", "high", "low", "close"), (), ("integer",)),
    Function("cdlhammer", _FINITE, ("open", "high", "low", "close"), (), ("integer",)),
    Function("cdlhangingman", _FINITE, ("open", "high", "low", "close"), (), ("integer",)),
    Function("cdlharami", _FINITE, ("open", "high", "low", "close"), (), ("integer",)),
    Function("cdlharamicross", _FINITE, ("open", "high", "low", "close"), (), ("integer",)),
    Function("cdlhighwave", _FINITE, ("open", "high", "low", "close"), (), ("integer",)),
    Function("cdlhikkake", _FINITE, ("open", "high", "low", "close"), (), ("integer",)),
    Function("cdlhikkakemod", _FINITE, ("open", "high", "low", "close"), (), ("integer",)),
    Function("cdlhomingpigeon", _FINITE, ("open", "high", "low", "close"), (), ("integer",)),
    Function("cdlidentical3crows", _FINITE, ("open", "high", "low", "close"), (), ("integer",)),
    Function("cdlinneck", _FINITE, ("open", "high", "low", "close"), (), ("integer",)),
    Function("cdlinvertedhammer", _FINITE, ("open", "high", "low", "close"), (), ("integer",)),
    Function("cdlkicking", _FINITE, ("open", "high", "low", "close"), (), ("integer",)),
    Function("cdlkickingbylength", _FINITE, ("open", "high", "low", "close"), (), ("integer",)),
    Function("cdlladderbottom", _FINITE, ("open", "high", "low", "close"), (), ("integer",)),
    Function("cdllongleggeddoji", _FINITE, ("open", "high", "low", "close"), (), ("integer",)),
    Function("cdllongline", _FINITE, ("open", "high", "low", "close"), (), ("integer",)),
    Function("cdlmarubozu", _FINITE, ("open", "high", "low", "close"), (), ("integer",)),
    Function("cdlmatchinglow", _FINITE, ("open", "high", "low", "close"), (), ("integer",)),
    Function("cdlmathold", _FINITE, ("open", "high", "low", "close"), (
        Parameter("penetration", _REAL, 0.5, 0.0, 3e+37),
    ), ("integer",)),
    Function("cdlmorningdojistar", _FINITE, ("open", "high", "low", "close"), (
        Parameter("penetration", _REAL, 0.3, 0.0, 3e+37),
    ), ("integer",)),
    Function("cdlmorningstar", _FINITE, ("open", "high", "low", "close"), (
        Parameter("penetration", _REAL, 0.3, 0.0, 3e+37),
    ), ("integer",)),
    Function("cdlonneck", _FINITE, ("open", "high", "low", "close"), (), ("integer",)),
    Function("cdlpiercing", _FINITE, ("open", "high", "low", "close"), (), ("integer",)),
    Function("cdlrickshawman", _FINITE, ("open", "high", "low", "close"), (), ("integer",)),
    Function("cdlrisefall3methods", _FINITE, ("open", "high", "low", "close"), (), ("integer",)),
    Function("cdlseparatinglines", _FINITE, ("open", "high", "low", "close"), (), ("integer",)),
    Function("cdlshootingstar", _FINITE, ("open", "high", "low", "close"), (), ("integer",)),
    Function("cdlshortline", _FINITE, ("open", "high", "low", "close"), (), ("integer",)),
    Function("cdlspinningtop", _FINITE, ("open", "high", "low", "close"), (), ("integer",)),
    Function("cdlstalledpattern", _FINITE, ("open", "high", "low", "close"), (), ("integer",)),
    Function("cdlsticksandwich", _FINITE, ("open", "high", "low", "close"), (), ("integer",)),
    Function("cdltakuri", _FINITE, ("open", "high", "low", "close"), (), ("integer",)),
    Function("cdltasukigap", _FINITE, ("open", "high", "low", "close"), (), ("integer",)),
    Function("cdlthrusting", _FINITE, ("open", "high", "low", "close"), (), ("integer",)),
    Function("cdltristar", _FINITE, ("open", "high", "low", "close"), (), ("integer",)),
    Function("cdlunique3river", _FINITE, ("open", "high", "low", "close"), (), ("integer",)),
    Function("cdlupsidegap2crows", _FINITE, ("open", "high", "low", "close"), (), ("integer",)),
    Function("cdlxsidegap3methods", _FINITE, ("open", "high", "low", "close"), (), ("integer",)),
    Function("ceil", _FINITE, ("source",), (), ("real",)),
    Function("cmf", _FINITE, ("high", "low", "close", "volume"), (
        Parameter("timeperiod", _INTEGER, 20, 2, 100_000),
    ), ("real",)),
    Function("cmo", _FADING, ("source",), (
        Parameter("timeperiod", _INTEGER, 14, 2, 100_000),
    ), ("real",)),
    Function("cmou", _FINITE, ("source",), (
        Parameter("timeperiod", _INTEGER, 14, 2, 100_000),
    ), ("real",)),
    Function("coppock", _FINITE, ("source",), (
        Parameter("wmaperiod", _INTEGER, 10, 1, 100_000),
        Parameter("roc1period", _INTEGER, 11, 1, 100_000),
        Parameter("roc2period", _INTEGER, 14, 1, 100_000),
    ), ("real",)),
    Function("correl", _FINITE, ("high", "low"), (
        Parameter("timeperiod", _INTEGER, 30, 1, 100_000),
    ), ("real",)),
    Function("cos", _FINITE, ("source",), (), ("real",)),
    Function("cosh", _FINITE, ("source",), (), ("real",)),
    Function("cumsum", _ANCHORED, ("source",), (), ("real",)),
    Function("cvi", _FADING, ("high", "low"), (
        Parameter("timeperiod", _INTEGER, 10, 2, 100_000),
        Parameter("rocperiod", _INTEGER, 10, 1, 100_000),
    ), ("real",)),
    Function("dema", _FADING, ("source",), (
        Parameter("timeperiod", _INTEGER, 30, 1, 100_000),
    ), ("real",)),
    Function("div", _FINITE, ("high", "low"), (), ("real",)),
    Function("donchian", _FINITE, ("high", "low"), (
        Parameter("timeperiod", _INTEGER, 20, 2, 100_000),
    ), ("upperband", "middleband", "lowerband")),
    Function("dpo", _FINITE, ("source",), (
        Parameter("timeperiod", _INTEGER, 20, 2, 100_000),
    ), ("real",)),
    Function("dx", _FADING, ("high", "low", "close"), (
        Parameter("timeperiod", _INTEGER, 14, 2, 100_000),
    ), ("real",)),
    Function("efi", _FADING, ("close", "volume"), (
        Parameter("timeperiod", _INTEGER, 13, 1, 100_000),
    ), ("real",)),
    Function("ema", _FADING, ("source",), (
        Parameter("timeperiod", _INTEGER, 30, 1, 100_000),
    ), ("real",)),
    Function("er", _FINITE, ("source",), (
        Parameter("timeperiod", _INTEGER, 10, 2, 100_000),
    ), ("real",)),
    Function("eri", _FADING, ("high", "low", "close"), (
        Parameter("timeperiod", _INTEGER, 13, 1, 100_000),
    ), ("bullpower", "bearpower")),
    Function("exp", _FINITE, ("source",), (), ("real",)),
    Function("floor", _FINITE, ("source",), (), ("real",)),
    Function("fosc", _FINITE, ("source",), (
        Parameter("timeperiod", _INTEGER, 5, 2, 100_000),
    ), ("real",)),
    Function("fractal", _FINITE, ("high", "low"), (
        Parameter("leftbars", _INTEGER, 2, 1, 100_000),
        Parameter("rightbars", _INTEGER, 2, 1, 100_000),
    ), ("swinghigh", "swinglow")),
    Function("ha", _FADING, ("open", "high", "low", "close"), (), ("haopen", "hahigh", "halow", "haclose")),
    Function("hma", _FINITE, ("source",), (
        Parameter("timeperiod", _INTEGER, 20, 1, 100_000),
    ), ("real",)),
    Function("ht_dcperiod", _FADING, ("source",), (), ("real",)),
    Function("ht_dcphase", _FADING, ("source",), (), ("real",)),
    Function("ht_phasor", _FADING, ("source",), (), ("inphase", "quadrature")),
    Function("ht_sine", _FADING, ("source",), (), ("sine", "leadsine")),
    Function("ht_trendline", _FADING, ("source",), (), ("real",)),
    Function("ht_trendmode", _FADING, ("source",), (), ("integer",)),
    Function("imi", _FINITE, ("open", "close"), (
        Parameter("timeperiod", _INTEGER, 14, 2, 100_000),
    ), ("real",)),
    Function("kama", _FADING, ("source",), (
        Parameter("timeperiod", _INTEGER, 30, 1, 100_000),
    ), ("real",)),
    Function("kc", _FADING, ("high", "low", "close"), (
        Parameter("timeperiod", _INTEGER, 20, 2, 100_000),
        Parameter("atrperiod", _INTEGER, 10, 1, 100_000),
        Parameter("nbdev", _REAL, 2.0, -3e+37, 3e+37),
    ), ("upperband", "middleband", "lowerband")),
    Function("kdj", _FADING, ("high", "low", "close"), (
        Parameter("fastk_period", _INTEGER, 9, 1, 100_000),
        Parameter("slowk_period", _INTEGER, 3, 1, 100_000),
        Parameter("slowk_matype", _AVERAGE, 13, 0, 13),
        Parameter("slowd_period", _INTEGER, 3, 1, 100_000),
        Parameter("slowd_matype", _AVERAGE, 13, 0, 13),
    ), ("k", "d", "j")),
    Function("linearreg", _FINITE, ("source",), (
        Parameter("timeperiod", _INTEGER, 14, 2, 100_000),
    ), ("real",)),
    Function("linearreg_angle", _FINITE, ("source",), (
        Parameter("timeperiod", _INTEGER, 14, 2, 100_000),
    ), ("real",)),
    Function("linearreg_intercept", _FINITE, ("source",), (
        Parameter("timeperiod", _INTEGER, 14, 2, 100_000),
    ), ("real",)),
    Function("linearreg_slope", _FINITE, ("source",), (
        Parameter("timeperiod", _INTEGER, 14, 2, 100_000),
    ), ("real",)),
    Function("ln", _FINITE, ("source",), (), ("real",)),
    Function("log10", _FINITE, ("source",), (), ("real",)),
    Function("ma", _FINITE, ("source",), (
        Parameter("timeperiod", _INTEGER, 30, 1, 100_000),
        Parameter("matype", _AVERAGE, 0, 0, 13),
    ), ("real",)),
    Function("macd", _FADING, ("source",), (
        Parameter("fastperiod", _INTEGER, 12, 2, 100_000),
        Parameter("slowperiod", _INTEGER, 26, 2, 100_000),
        Parameter("signalperiod", _INTEGER, 9, 1, 100_000),
    ), ("macd", "macdsignal", "macdhist")),
    Function("macdext", _FINITE, ("source",), (
        Parameter("fastperiod", _INTEGER, 12, 2, 100_000),
        Parameter("fastmatype", _AVERAGE, 0, 0, 13),
        Parameter("slowperiod", _INTEGER, 26, 2, 100_000),
        Parameter("slowmatype", _AVERAGE, 0, 0, 13),
        Parameter("signalperiod", _INTEGER, 9, 1, 100_000),
        Parameter("signalmatype", _AVERAGE, 0, 0, 13),
    ), ("macd", "macdsignal", "macdhist")),
    Function("macdfix", _FADING, ("source",), (
        Parameter("signalperiod", _INTEGER, 9, 1, 100_000),
    ), ("macd", "macdsignal", "macdhist")),
    Function("mama", _FADING, ("source",), (
        Parameter("fastlimit", _REAL, 0.5, 0.01, 0.99),
        Parameter("slowlimit", _REAL, 0.05, 0.01, 0.99),
    ), ("mama", "fama")),
    Function("marketfi", _FINITE, ("high", "low", "volume"), (), ("real",)),
    Function("massi", _FADING, ("high", "low"), (
        Parameter("fastperiod", _INTEGER, 9, 2, 100_000),
        Parameter("slowperiod", _INTEGER, 25, 2, 100_000),
    ), ("real",)),
    Function("mavp", _FINITE, ("source", "periods"), (
        Parameter("minperiod", _INTEGER, 2, 1, 100_000),
        Parameter("maxperiod", _INTEGER, 30, 2, 100_000),
        Parameter("matype", _AVERAGE, 0, 0, 13),
    ), ("real",)),
    Function("max", _FINITE, ("source",), (
        Parameter("timeperiod", _INTEGER, 30, 2, 100_000),
    ), ("real",)),
    Function("maxindex", _ANCHORED, ("source",), (
        Parameter("timeperiod", _INTEGER, 30, 2, 100_000),
    ), ("integer",)),
    Function("medprice", _FINITE, ("high", "low"), (), ("real",)),
    Function("mfi", _FINITE, ("high", "low", "close", "volume"), (
        Parameter("timeperiod", _INTEGER, 14, 2, 100_000),
    ), ("real",)),
    Function("midpoint", _FINITE, ("source",), (
        Parameter("timeperiod", _INTEGER, 14, 2, 100_000),
    ), ("real",)),
    Function("midprice", _FINITE, ("high", "low"), (
        Parameter("timeperiod", _INTEGER, 14, 2, 100_000),
    ), ("real",)),
    Function("min", _FINITE, ("source",), (
        Parameter("timeperiod", _INTEGER, 30, 2, 100_000),
    ), ("real",)),
    Function("minindex", _ANCHORED, ("source",), (
        Parameter("timeperiod", _INTEGER, 30, 2, 100_000),
    ), ("integer",)),
    Function("minmax", _FINITE, ("source",), (
        Parameter("timeperiod", _INTEGER, 30, 2, 100_000),
    ), ("min", "max")),
    Function("minmaxindex", _ANCHORED, ("source",), (
        Parameter("timeperiod", _INTEGER, 30, 2, 100_000),
    ), ("minidx", "maxidx")),
    Function("minus_di", _FADING, ("high", "low", "close"), (
        Parameter("timeperiod", _INTEGER, 14, 1, 100_000),
    ), ("real",)),
    Function("minus_dm", _FADING, ("high", "low"), (
        Parameter("timeperiod", _INTEGER, 14, 1, 100_000),
    ), ("real",)),
    Function("mom", _FINITE, ("source",), (
        Parameter("timeperiod", _INTEGER, 10, 1, 100_000),
    ), ("real",)),
    Function("mult", _FINITE, ("high", "low"), (), ("real",)),
    Function("natr", _FADING, ("high", "low", "close"), (
        Parameter("timeperiod", _INTEGER, 14, 1, 100_000),
    ), ("real",)),
    Function("nvi", _ANCHORED, ("close", "volume"), (), ("real",)),
    Function("obv", _ANCHORED, ("source", "volume"), (), ("real",)),
    Function("percentile", _FINITE, ("source",), (
        Parameter("timeperiod", _INTEGER, 30, 2, 100_000),
        Parameter("percentile", _REAL, 50.0, 0.0, 100.0),
    ), ("real",)),
    Function("percentrank", _FINITE, ("source",), (
        Parameter("timeperiod", _INTEGER, 100, 2, 100_000),
    ), ("real",)),
    Function("plus_di", _FADING, ("high", "low", "close"), (
        Parameter("timeperiod", _INTEGER, 14, 1, 100_000),
    ), ("real",)),
    Function("plus_dm", _FADING, ("high", "low"), (
        Parameter("timeperiod", _INTEGER, 14, 1, 100_000),
    ), ("real",)),
    Function("ppo", _FADING, ("source",), (
        Parameter("fastperiod", _INTEGER, 12, 2, 100_000),
        Parameter("slowperiod", _INTEGER, 26, 2, 100_000),
        Parameter("matype", _AVERAGE, 1, 0, 13),
    ), ("real",)),
    Function("pvi", _ANCHORED, ("close", "volume"), (), ("real",)),
    Function("pvo", _FADING, ("volume",), (
        Parameter("fastperiod", _INTEGER, 12, 2, 100_000),
        Parameter("slowperiod", _INTEGER, 26, 2, 100_000),
        Parameter("matype", _AVERAGE, 1, 0, 13),
    ), ("real",)),
    Function("pvt", _ANCHORED, ("close", "volume"), (), ("real",)),
    Function("qstick", _FINITE, ("open", "close"), (
        Parameter("timeperiod", _INTEGER, 10, 1, 100_000),
    ), ("real",)),
    Function("rma", _FADING, ("source",), (
        Parameter("timeperiod", _INTEGER, 30, 1, 100_000),
    ), ("real",)),
    Function("roc", _FINITE, ("source",), (
        Parameter("timeperiod", _INTEGER, 10, 1, 100_000),
    ), ("real",)),
    Function("rocp", _FINITE, ("source",), (
        Parameter("timeperiod", _INTEGER, 10, 1, 100_000),
    ), ("real",)),
    Function("rocr", _FINITE, ("source",), (
        Parameter("timeperiod", _INTEGER, 10, 1, 100_000),
    ), ("real",)),
    Function("rocr100", _FINITE, ("source",), (
        Parameter("timeperiod", _INTEGER, 10, 1, 100_000),
    ), ("real",)),
    Function("rsi", _FADING, ("source",), (
        Parameter("timeperiod", _INTEGER, 14, 2, 100_000),
    ), ("real",)),
    Function("rvi", _FADING, ("source",), (
        Parameter("timeperiod", _INTEGER, 14, 1, 100_000),
        Parameter("stddevperiod", _INTEGER, 10, 2, 100_000),
    ), ("real",)),
    Function("rvol", _FINITE, ("volume",), (
        Parameter("timeperiod", _INTEGER, 20, 1, 100_000),
    ), ("real",)),
    Function("sar", _FADING, ("high", "low"), (
        Parameter("acceleration", _REAL, 0.02, 0.0, 3e+37),
        Parameter("maximum", _REAL, 0.2, 0.0, 3e+37),
    ), ("real",)),
    Function("sarext", _FADING, ("high", "low"), (
        Parameter("startvalue", _REAL, 0.0, -3e+37, 3e+37),
        Parameter("offsetonreverse", _REAL, 0.0, 0.0, 3e+37),
        Parameter("accelerationinitlong", _REAL, 0.02, 0.0, 3e+37),
        Parameter("accelerationlong", _REAL, 0.02, 0.0, 3e+37),
        Parameter("accelerationmaxlong", _REAL, 0.2, 0.0, 3e+37),
        Parameter("accelerationinitshort", _REAL, 0.02, 0.0, 3e+37),
        Parameter("accelerationshort", _REAL, 0.02, 0.0, 3e+37),
        Parameter("accelerationmaxshort", _REAL, 0.2, 0.0, 3e+37),
    ), ("real",)),
    Function("sin", _FINITE, ("source",), (), ("real",)),
    Function("sinh", _FINITE, ("source",), (), ("real",)),
    Function("sma", _FINITE, ("source",), (
        Parameter("timeperiod", _INTEGER, 30, 1, 100_000),
    ), ("real",)),
    Function("smi", _FADING, ("high", "low", "close"), (
        Parameter("timeperiod", _INTEGER, 13, 2, 100_000),
        Parameter("fastperiod", _INTEGER, 2, 2, 100_000),
        Parameter("slowperiod", _INTEGER, 25, 2, 100_000),
        Parameter("signalperiod", _INTEGER, 9, 2, 100_000),
    ), ("smi", "smisignal")),
    Function("sqrt", _FINITE, ("source",), (), ("real",)),
    Function("stddev", _FINITE, ("source",), (
        Parameter("timeperiod", _INTEGER, 5, 2, 100_000),
        Parameter("nbdev", _REAL, 1.0, -3e+37, 3e+37),
    ), ("real",)),
    Function("stoch", _FINITE, ("high", "low", "close"), (
        Parameter("fastk_period", _INTEGER, 5, 1, 100_000),
        Parameter("slowk_period", _INTEGER, 3, 1, 100_000),
        Parameter("slowk_matype", _AVERAGE, 0, 0, 13),
        Parameter("slowd_period", _INTEGER, 3, 1, 100_000),
        Parameter("slowd_matype", _AVERAGE, 0, 0, 13),
    ), ("slowk", "slowd")),
    Function("stochf", _FINITE, ("high", "low", "close"), (
        Parameter("fastk_period", _INTEGER, 5, 1, 100_000),
        Parameter("fastd_period", _INTEGER, 3, 1, 100_000),
        Parameter("fastd_matype", _AVERAGE, 0, 0, 13),
    ), ("fastk", "fastd")),
    Function("stochrsi", _FADING, ("source",), (
        Parameter("timeperiod", _INTEGER, 14, 2, 100_000),
        Parameter("fastk_period", _INTEGER, 5, 1, 100_000),
        Parameter("fastd_period", _INTEGER, 3, 1, 100_000),
        Parameter("fastd_matype", _AVERAGE, 0, 0, 13),
    ), ("fastk", "fastd")),
    Function("sub", _FINITE, ("high", "low"), (), ("real",)),
    Function("sum", _FINITE, ("source",), (
        Parameter("timeperiod", _INTEGER, 30, 2, 100_000),
    ), ("real",)),
    Function("supertrend", _FADING, ("high", "low", "close"), (
        Parameter("timeperiod", _INTEGER, 10, 2, 100_000),
        Parameter("multiplier", _REAL, 3.0, 0.0, 3e+37),
    ), ("supertrend", "trend")),
    Function("t3", _FADING, ("source",), (
        Parameter("timeperiod", _INTEGER, 5, 1, 100_000),
        Parameter("vfactor", _REAL, 0.7, 0.0, 1.0),
    ), ("real",)),
    Function("tan", _FINITE, ("source",), (), ("real",)),
    Function("tanh", _FINITE, ("source",), (), ("real",)),
    Function("tema", _FADING, ("source",), (
        Parameter("timeperiod", _INTEGER, 30, 1, 100_000),
    ), ("real",)),
    Function("trange", _FINITE, ("high", "low", "close"), (), ("real",)),
    Function("trima", _FINITE, ("source",), (
        Parameter("timeperiod", _INTEGER, 30, 1, 100_000),
    ), ("real",)),
    Function("trix", _FADING, ("source",), (
        Parameter("timeperiod", _INTEGER, 30, 1, 100_000),
    ), ("real",)),
    Function("tsf", _FINITE, ("source",), (
        Parameter("timeperiod", _INTEGER, 14, 2, 100_000),
    ), ("real",)),
    Function("tsi", _FADING, ("source",), (
        Parameter("firstperiod", _INTEGER, 25, 2, 100_000),
        Parameter("secondperiod", _INTEGER, 13, 2, 100_000),
    ), ("real",)),
    Function("typprice", _FINITE, ("high", "low", "close"), (), ("real",)),
    Function("ultosc", _FINITE, ("high", "low", "close"), (
        Parameter("timeperiod1", _INTEGER, 7, 1, 100_000),
        Parameter("timeperiod2", _INTEGER, 14, 1, 100_000),
        Parameter("timeperiod3", _INTEGER, 28, 1, 100_000),
    ), ("real",)),
    Function("var", _FINITE, ("source",), (
        Parameter("timeperiod", _INTEGER, 5, 1, 100_000),
        Parameter("nbdev", _REAL, 1.0, -3e+37, 3e+37),
    ), ("real",)),
    Function("vhf", _FINITE, ("source",), (
        Parameter("timeperiod", _INTEGER, 28, 2, 100_000),
    ), ("real",)),
    Function("vortex", _FINITE, ("high", "low", "close"), (
        Parameter("timeperiod", _INTEGER, 14, 1, 100_000),
    ), ("plusvi", "minusvi")),
    Function("vwap", _ANCHORED, ("high", "low", "close", "volume"), (), ("real",)),
    Function("vwma", _FINITE, ("source", "volume"), (
        Parameter("timeperiod", _INTEGER, 30, 1, 100_000),
    ), ("real",)),
    Function("wad", _ANCHORED, ("high", "low", "close"), (), ("real",)),
    Function("wclprice", _FINITE, ("high", "low", "close"), (), ("real",)),
    Function("willr", _FINITE, ("high", "low", "close"), (
        Parameter("timeperiod", _INTEGER, 14, 2, 100_000),
    ), ("real",)),
    Function("wma", _FINITE, ("source",), (
        Parameter("timeperiod", _INTEGER, 30, 1, 100_000),
    ), ("real",)),
    Function("zlema", _FADING, ("source",), (
        Parameter("timeperiod", _INTEGER, 30, 1, 100_000),
    ), ("real",)),
)
# fmt: on
